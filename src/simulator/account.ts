import { createCallbacks, type Callbacks } from './callbacks.ts';
import type { CallbackClient } from './callback-client.ts';
import { priceUsdMicros, type Inputs, type Model } from './catalogue.ts';
import { Counts } from './counts.ts';
import { planDeliveries } from './delivery.ts';
import { findFault, type Fault } from './fault.ts';
import { createFaultChooser, type FaultChooser } from './fault-chooser.ts';
import { limitsOf, type SimulatorOptions, type TierLimits } from './options.ts';
import { ended, isEnded, started, type Ending, type Prediction } from './prediction.ts';
import { PredictionStore } from './prediction-store.ts';
import { randomFor } from './random.ts';
import { createRateWindow, type RateWindow } from './rate-window.ts';
import { planRun } from './run-plan.ts';
import { createTimers, type Timers } from './timers.ts';

export interface Order {
  readonly model: Model;
  readonly input: Inputs;
  readonly webhook?: string;
  readonly origin: string;
  readonly faults: readonly Fault[];
}

interface Dependencies {
  readonly options: SimulatorOptions;
  readonly client: CallbackClient;
  readonly mintId: () => string;
}

const balanceUsdDefault = 1_000_000;

/** One customer's account at the vendor: limits, money, predictions and their lives. A reset starts a new one. */
export class Account {
  readonly counts = new Counts();
  readonly predictions = new PredictionStore();
  readonly limits: TierLimits;
  readonly rate: RateWindow;
  readonly faults: FaultChooser;
  readonly timers: Timers = createTimers();
  readonly #dependencies: Dependencies;
  readonly #callbacks: Callbacks;
  #runs = 0;

  constructor(dependencies: Dependencies) {
    const { options, client } = dependencies;
    const { seed, webhookSecret: secret, timeScale } = options;
    this.#dependencies = dependencies;
    this.limits = limitsOf(options.tier);
    this.rate = createRateWindow(this.limits.perMinute);
    this.faults = createFaultChooser(seed, options.faults ?? []);
    this.#callbacks = createCallbacks({ client, counts: this.counts, timers: this.timers, secret, timeScale });
  }

  get balanceUsdMicros(): number {
    const startUsd = this.#dependencies.options.balanceUsd ?? balanceUsdDefault;
    return startUsd * 1e6 - this.counts.spentUsdMicros;
  }

  create({ model, input, webhook, origin, faults }: Order): Prediction {
    const prediction: Prediction = {
      id: this.#dependencies.mintId(),
      model: model.id,
      input,
      ...(webhook !== undefined && { webhook }),
      origin,
      faults,
      priceUsdMicros: priceUsdMicros(model, input),
      createdAtMs: Date.now(),
      status: 'created',
      deleted: false,
    };
    this.predictions.save(prediction);
    this.counts.created(prediction);
    this.#log('prediction created', prediction);
    return prediction;
  }

  /** Sets a prediction's life going. Resolves at once, but for one that ends before its submit is answered. */
  async run({ id, input, faults }: Prediction, model: Model): Promise<void> {
    const { seed, timeScale } = this.#dependencies.options;
    const random = randomFor(seed, 'run', this.#runs++);
    const { queueMs, runMs, ending } = planRun({ timeScale, model, inputs: input, faults }, random);
    if (findFault(faults, 'callback-early')) return this.finish(id, ending);
    this.timers.after(queueMs, () => this.#update(id, (prediction) => started(prediction, Date.now())));
    if (runMs !== undefined) this.timers.after(queueMs + runMs, () => void this.finish(id, ending));
  }

  /** Ends a prediction, and resolves when its callbacks have had their first answers. The first ending stands. */
  async finish(id: string, ending: Ending): Promise<void> {
    const before = this.predictions.find(id);
    if (!before || isEnded(before)) return;
    const prediction = ended(before, ending, Date.now());
    this.predictions.save(prediction);
    this.counts.ended(prediction);
    this.#log('prediction ended', prediction);
    if (prediction.webhook !== undefined) await this.#callbacks.send(prediction.webhook, planDeliveries(prediction));
  }

  /** Says whether there was anything to forget. The job runs on, outstanding and billed: the vendor has no cancel. */
  forget(id: string): boolean {
    if (!this.predictions.findVisible(id)) return false;
    this.#update(id, (prediction) => ({ ...prediction, deleted: true }));
    return true;
  }

  close(): void {
    this.timers.clear();
  }

  #update(id: string, change: (prediction: Prediction) => Prediction): void {
    const prediction = this.predictions.find(id);
    if (prediction) this.predictions.save(change(prediction));
  }

  #log(message: string, { id, model, status }: Prediction): void {
    this.#dependencies.options.log?.(message, { id, model, status, outstanding: this.counts.outstanding });
  }
}
