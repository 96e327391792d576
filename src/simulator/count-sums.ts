import type { CountsSnapshot, ModelCounts } from './counts.ts';

/**
 * The books of several accounts as one. Their peaks are added up too: an upper bound, for they need not have fallen
 * together. Only the submits of one callback URL stay a maximum: no URL is used at two vendors.
 */
export function sumCounts(all: readonly CountsSnapshot[]): CountsSnapshot {
  const sum = (numberOf: (counts: CountsSnapshot) => number) =>
    all.reduce((total, counts) => total + numberOf(counts), 0);
  return {
    submits: sum(({ submits }) => submits),
    created: sum(({ created }) => created),
    billed: sum(({ billed }) => billed),
    billed_usd: sum((counts) => counts.billed_usd),
    refunded: sum(({ refunded }) => refunded),
    refunded_usd: sum((counts) => counts.refunded_usd),
    outstanding: sum(({ outstanding }) => outstanding),
    outstanding_max: sum((counts) => counts.outstanding_max),
    started_per_second_max: sum((counts) => counts.started_per_second_max),
    started_per_minute_max: sum((counts) => counts.started_per_minute_max),
    callbacks_sent: sum((counts) => counts.callbacks_sent),
    callbacks_acknowledged: sum((counts) => counts.callbacks_acknowledged),
    submits_per_webhook_max: Math.max(0, ...all.map((counts) => counts.submits_per_webhook_max)),
    hasty_polls: sum((counts) => counts.hasty_polls),
    rejected: mergeBy(
      all.map(({ rejected }) => rejected),
      (one, other) => one + other,
    ),
    by_model: mergeBy(
      all.map((counts) => counts.by_model),
      addModels,
    ),
  };
}

function mergeBy<T>(records: readonly Readonly<Record<string, T>>[], add: (one: T, other: T) => T): Record<string, T> {
  const merged = new Map<string, T>();
  for (const [key, value] of records.flatMap((record) => Object.entries(record))) {
    const before = merged.get(key);
    merged.set(key, before === undefined ? value : add(before, value));
  }
  return Object.fromEntries(merged);
}

function addModels(one: ModelCounts, other: ModelCounts): ModelCounts {
  return {
    submits: one.submits + other.submits,
    created: one.created + other.created,
    completed: one.completed + other.completed,
    failed: one.failed + other.failed,
    cancelled: one.cancelled + other.cancelled,
    billed_usd: one.billed_usd + other.billed_usd,
  };
}
