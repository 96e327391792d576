import type { CallbackClient } from './callback-client.ts';
import { createCallbacks, type Callbacks } from './callbacks.ts';
import { Counts } from './counts.ts';
import { findFault, type Fault } from './fault.ts';
import type { FaultChooser } from './fault-chooser.ts';
import { priceUsdMicros, type Inputs, type Model } from './model.ts';
import type { SimulatorOptions } from './options.ts';
import { ended, isEnded, started, type Ending, type Prediction } from './prediction.ts';
import { PredictionStore } from './prediction-store.ts';
import { randomFor } from './random.ts';
import { createRateWindow, type RateWindow } from './rate-window.ts';
import { planRun, type RunPlan } from './run-plan.ts';
import { createSlots, type Slots } from './slots.ts';
import type { TierLimits } from './tier.ts';
import { createTimers, type Timers } from './timers.ts';
import type { VendorRules } from './vendor-rules.ts';

export interface Order {
  readonly model: Model;
  readonly input: Inputs;
  readonly webhook?: string | undefined;
  readonly deadlineMs?: number | undefined;
  readonly origin: string;
  readonly baseUrl: string;
  readonly faults: readonly Fault[];
}

interface Dependencies {
  readonly vendor: VendorRules;
  /** As they hold for this account. */
  readonly options: SimulatorOptions;
  readonly faults: FaultChooser;
  readonly client: CallbackClient;
  readonly mintId: () => string;
}

const balanceUsdDefault = 1_000_000;

/** One customer's account at a vendor: limits, money, predictions and their lives. A reset starts a new one. */
export class Account {
  readonly vendor: VendorRules;
  readonly options: SimulatorOptions;
  readonly faults: FaultChooser;
  readonly counts = new Counts();
  readonly predictions = new PredictionStore();
  readonly limits: TierLimits;
  readonly rate: RateWindow;
  readonly timers: Timers = createTimers();
  readonly #mintId: () => string;
  readonly #callbacks: Callbacks | undefined;
  readonly #slots: Slots;
  #runs = 0;

  constructor({ vendor, options, faults, client, mintId }: Dependencies) {
    const { tier, webhookSecret: secret, timeScale } = options;
    const { counts, timers } = this;
    this.vendor = vendor;
    this.options = options;
    this.faults = faults;
    this.limits = typeof tier === 'string' ? vendor.tiers[tier] : tier;
    this.rate = createRateWindow(this.limits.perMinute);
    this.#mintId = mintId;
    this.#slots = createSlots(vendor.overConcurrency === 'wait' ? this.limits.outstanding : Infinity);
    this.#callbacks =
      vendor.callbacks && createCallbacks({ rules: vendor.callbacks, client, counts, timers, secret, timeScale });
  }

  get balanceUsdMicros(): number {
    return (this.options.balanceUsd ?? balanceUsdDefault) * 1e6 - this.counts.spentUsdMicros;
  }

  create({ model, input, webhook, deadlineMs, origin, baseUrl, faults }: Order): Prediction {
    const createdAtMs = Date.now();
    const prediction: Prediction = {
      id: this.#mintId(),
      vendor: this.vendor.name,
      model: model.id,
      input,
      ...(webhook !== undefined && { webhook }),
      origin,
      baseUrl,
      faults,
      priceUsdMicros: priceUsdMicros(model, input),
      createdAtMs,
      ...(deadlineMs !== undefined && { deadlineAtMs: createdAtMs + deadlineMs }),
      status: 'created',
      keptMs: findFault(faults, 'data-removed') ? 0 : this.vendor.retentionMs * this.options.timeScale,
      deleted: false,
    };
    this.predictions.save(prediction);
    this.counts.created(prediction);
    this.#log('prediction created', prediction);
    return prediction;
  }

  /** Sets a prediction's life going. Resolves at once, but for one that ends before its submit is answered. */
  async run({ id, input, faults, createdAtMs, deadlineAtMs }: Prediction, model: Model): Promise<void> {
    const { seed, timeScale } = this.options;
    const random = randomFor(seed, 'run', this.vendor.name, this.#runs++);
    const plan = planRun({ timeScale, model, inputs: input, faults }, random);
    if (findFault(faults, 'callback-early')) return this.finish(id, plan.ending);
    this.#slots.take(id, () => this.#begin(id, plan));
    if (deadlineAtMs !== undefined) this.timers.after(deadlineAtMs - createdAtMs, () => this.#endOverdue(id));
  }

  /** How many wait before it for a slot; undefined when it doesn't wait for one. */
  queuePositionOf(id: string): number | undefined {
    return this.#slots.positionOf(id);
  }

  /** Ends a prediction, and resolves when its callbacks have had their first answers. The first ending stands. */
  async finish(id: string, ending: Ending): Promise<void> {
    const before = this.predictions.find(id);
    if (!before || isEnded(before)) return;
    const prediction = ended(before, ending, Date.now());
    this.predictions.save(prediction);
    this.counts.ended(prediction);
    this.#slots.release(id);
    this.#log('prediction ended', prediction);
    await this.#callbacks?.send(prediction);
  }

  /** Says whether the job could be stopped. Its callbacks go on by themselves: a cancel is answered before them. */
  cancel(id: string): boolean {
    const prediction = this.predictions.findVisible(id);
    const cancellation = prediction && !isEnded(prediction) && this.vendor.cancellationOf(prediction);
    if (!cancellation) return false;
    void this.finish(id, { kind: 'cancelled', ...cancellation });
    return true;
  }

  /** Says whether there was anything to forget. The job runs on, outstanding and billed. */
  forget(id: string): boolean {
    if (!this.predictions.findVisible(id)) return false;
    this.#update(id, (prediction) => ({ ...prediction, deleted: true }));
    return true;
  }

  close(): void {
    this.timers.clear();
  }

  #begin(id: string, { queueMs, runMs, ending }: RunPlan): void {
    this.timers.after(queueMs, () => this.#update(id, (prediction) => started(prediction, Date.now())));
    if (runMs !== undefined) this.timers.after(queueMs + runMs, () => void this.finish(id, ending));
  }

  #endOverdue(id: string): void {
    const prediction = this.predictions.find(id);
    const ending = prediction && !isEnded(prediction) && this.vendor.overdueEndingOf?.(prediction);
    if (ending) void this.finish(id, ending);
  }

  #update(id: string, change: (prediction: Prediction) => Prediction): void {
    const prediction = this.predictions.find(id);
    if (prediction) this.predictions.save(change(prediction));
  }

  #log(message: string, { id, vendor, model, status }: Prediction): void {
    this.options.log?.(message, { id, vendor, model, status, outstanding: this.counts.outstanding });
  }
}
