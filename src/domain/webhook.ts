import { limits } from './limits/limits.ts';

/** What a subscriber can be told of a job. */
export const webhookKinds = ['video.in_progress', 'video.completed', 'video.failed', 'video.cancelled'] as const;

/** `pending` waits for its first try, `retrying` for another one. The others are ends. */
export type DeliveryState = 'pending' | 'retrying' | 'delivered' | 'failed' | 'dropped';

export type DeliveryEnd = Exclude<DeliveryState, 'pending' | 'retrying'>;

/** Whether nobody has to be told any more. */
export function isOver(state: DeliveryState): state is DeliveryEnd {
  return state !== 'pending' && state !== 'retrying';
}

/** What one try has come to. */
export type WebhookAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfterMs?: number }
  | { readonly kind: 'no_answer'; readonly code: string };

export type AfterTry =
  | { readonly outcome: 'delivered' }
  /** The receiver wants no more of anything. */
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'exhausted'; readonly pauseMs: number }
  | { readonly outcome: 'again'; readonly delayMs: number; readonly pauseMs: number };

/** The schedule of Standard Webhooks: the delay before each try, ten of them in 75 hours and a half. */
export const webhookDelaysMs: readonly number[] = [
  0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
];

/**
 * What follows from an answer. Only 2xx is a success: a redirect is not followed, so it is a failure. `pauseMs` is how
 * long the receiver is to be left alone altogether.
 *
 * @param made.tries with the one that was just made
 * @param made.random from 0 to 1, for the jitter of ±20 %
 */
export function afterTry(answer: WebhookAnswer, made: { readonly tries: number; readonly random: number }): AfterTry {
  if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) return { outcome: 'delivered' };
  if (answer.kind === 'answered' && answer.status === 410) return { outcome: 'gone' };
  const pauseMs = pauseMsAfter(answer);
  const stepMs = made.tries < limits.webhookTriesMax ? webhookDelaysMs[made.tries] : undefined;
  if (stepMs === undefined) return { outcome: 'exhausted', pauseMs };
  return { outcome: 'again', delayMs: Math.max(stepMs * (0.8 + 0.4 * made.random), pauseMs), pauseMs };
}

/** Those who say that it is too much for them. */
const overloaded: ReadonlySet<number> = new Set([429, 502, 503, 504]);

function pauseMsAfter(answer: WebhookAnswer): number {
  if (answer.kind !== 'answered' || !overloaded.has(answer.status)) return 0;
  return Math.min(answer.retryAfterMs ?? limits.webhookPauseMs, limits.webhookRetryAfterMsMax);
}

/** Before a workflow asks again for a receiver that has no room. A line of thousands must not ask every second. */
export function busyDelayMs(asked: { readonly times: number; readonly random: number }): number {
  const { webhookBusyDelayMsMin: min, webhookBusyDelayMsMax: max } = limits;
  return Math.min(min * 2 ** Math.min(asked.times, 20), max) * (0.5 + 0.5 * asked.random);
}
