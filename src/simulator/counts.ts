import type { Prediction } from './prediction.ts';
import { createPeakRate } from './peak-rate.ts';

/** Every ended one is `completed`, `cancelled` or `failed`, which a vendor's time-out is too. */
export interface ModelCounts {
  submits: number;
  created: number;
  completed: number;
  failed: number;
  cancelled: number;
  billed_usd: number;
}

export interface CountsSnapshot {
  readonly submits: number;
  readonly created: number;
  readonly billed: number;
  readonly billed_usd: number;
  readonly refunded: number;
  readonly refunded_usd: number;
  readonly outstanding: number;
  readonly outstanding_max: number;
  readonly started_per_second_max: number;
  readonly started_per_minute_max: number;
  readonly callbacks_sent: number;
  readonly callbacks_acknowledged: number;
  readonly submits_per_webhook_max: number;
  /** Polls that came sooner after another one for the same prediction than the vendor asks for. */
  readonly hasty_polls: number;
  /** Why submits were turned away: `unauthorized`, `rate`, `concurrency`, …, or the kind of the fault. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly by_model: Readonly<Record<string, Readonly<ModelCounts>>>;
}

export interface WebhookSubmits {
  readonly webhook: string;
  readonly submits: number;
  readonly created: number;
}

/** The books an auditor trusts: they count what reached the provider, whatever it answered and whatever was deleted. */
export class Counts {
  #submits = 0;
  #created = 0;
  #billedUsdMicros = 0;
  #refunded = 0;
  #refundedUsdMicros = 0;
  #outstanding = 0;
  #outstandingMax = 0;
  #callbacksSent = 0;
  #callbacksAcknowledged = 0;
  #hastyPolls = 0;
  readonly #polledAtMs = new Map<string, number>();
  readonly #perSecond = createPeakRate(1_000);
  readonly #perMinute = createPeakRate(60_000);
  readonly #rejected = new Map<string, number>();
  readonly #byModel = new Map<string, ModelCounts>();
  readonly #byWebhook = new Map<string, { submits: number; created: number }>();

  get submits(): number {
    return this.#submits;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** What is owed so far: jobs that failed, and some that were cancelled, cost nothing in the end. */
  get spentUsdMicros(): number {
    return this.#billedUsdMicros - this.#refundedUsdMicros;
  }

  submitted(model: string, webhook: string | undefined): void {
    this.#submits += 1;
    this.#ofModel(model).submits += 1;
    if (webhook !== undefined) this.#ofWebhook(webhook).submits += 1;
  }

  rejected(reason: string): void {
    this.#rejected.set(reason, (this.#rejected.get(reason) ?? 0) + 1);
  }

  created({ model, webhook, priceUsdMicros, createdAtMs }: Prediction): void {
    this.#created += 1;
    this.#billedUsdMicros += priceUsdMicros;
    this.#outstanding += 1;
    this.#outstandingMax = Math.max(this.#outstandingMax, this.#outstanding);
    this.#perSecond.add(createdAtMs);
    this.#perMinute.add(createdAtMs);
    const ofModel = this.#ofModel(model);
    ofModel.created += 1;
    ofModel.billed_usd += priceUsdMicros / 1e6;
    if (webhook !== undefined) this.#ofWebhook(webhook).created += 1;
  }

  ended({ model, ending, priceUsdMicros }: Prediction): void {
    this.#outstanding -= 1;
    this.#ofModel(model)[ending?.kind === 'completed' || ending?.kind === 'cancelled' ? ending.kind : 'failed'] += 1;
    if (ending?.kind === 'completed' || (ending?.kind === 'cancelled' && ending.billed)) return;
    this.#refunded += 1;
    this.#refundedUsdMicros += priceUsdMicros;
  }

  callbackSent(): void {
    this.#callbacksSent += 1;
  }

  callbackAcknowledged(): void {
    this.#callbacksAcknowledged += 1;
  }

  polled(id: string, { nowMs, everyMsMin }: { readonly nowMs: number; readonly everyMsMin: number }): void {
    if (nowMs - (this.#polledAtMs.get(id) ?? -Infinity) < everyMsMin) this.#hastyPolls += 1;
    this.#polledAtMs.set(id, nowMs);
  }

  byWebhook(): readonly WebhookSubmits[] {
    return [...this.#byWebhook].map(([webhook, counts]) => ({ webhook, ...counts }));
  }

  snapshot(): CountsSnapshot {
    return {
      submits: this.#submits,
      created: this.#created,
      billed: this.#created,
      billed_usd: this.#billedUsdMicros / 1e6,
      refunded: this.#refunded,
      refunded_usd: this.#refundedUsdMicros / 1e6,
      outstanding: this.#outstanding,
      outstanding_max: this.#outstandingMax,
      started_per_second_max: this.#perSecond.max,
      started_per_minute_max: this.#perMinute.max,
      callbacks_sent: this.#callbacksSent,
      callbacks_acknowledged: this.#callbacksAcknowledged,
      submits_per_webhook_max: this.#submitsPerWebhookMax(),
      hasty_polls: this.#hastyPolls,
      rejected: Object.fromEntries(this.#rejected),
      by_model: Object.fromEntries(this.#byModel),
    };
  }

  #submitsPerWebhookMax(): number {
    let max = 0;
    for (const { submits } of this.#byWebhook.values()) max = Math.max(max, submits);
    return max;
  }

  #ofModel(model: string): ModelCounts {
    return emplace(this.#byModel, model, {
      submits: 0,
      created: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
      billed_usd: 0,
    });
  }

  #ofWebhook(webhook: string): { submits: number; created: number } {
    return emplace(this.#byWebhook, webhook, { submits: 0, created: 0 });
  }
}

function emplace<K, V>(map: Map<K, V>, key: K, fresh: V): V {
  const value = map.get(key) ?? fresh;
  map.set(key, value);
  return value;
}
