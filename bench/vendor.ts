import { createSimulator } from '../src/simulator/simulator.ts';
import type { TierLimits } from '../src/simulator/tier.ts';

/**
 * The vendors in a process of their own, that keeps the books a bench needs: every change of what is outstanding at
 * WaveSpeed, to the millisecond. Two messages: a plan opens it, `read` asks for the books.
 */

export interface VendorPlan {
  readonly kind: 'open';
  readonly port: number;
  readonly webhookSecret: string;
  /** WaveSpeed's own limits, whatever ours believe. The other vendors' accounts are their largest. */
  readonly limits: TierLimits;
  /** What a video of five seconds takes on the average, the vendor's own queue included. */
  readonly videoSeconds: number;
}

export interface VendorOpen {
  readonly kind: 'open';
}

/** Parallel arrays: one entry for each video that began or ended. */
export interface VendorBooks {
  readonly kind: 'books';
  /** Milliseconds since the epoch. */
  readonly at: readonly number[];
  /** How many were under way from then on. */
  readonly outstanding: readonly number[];
  /** 1: one began; -1: one ended. */
  readonly change: readonly number[];
  /** Milliseconds from begin to end of each that has ended. */
  readonly durationsMs: readonly number[];
}

/** The mean of the simulator's durations for `wan-2.6` and five seconds: log-normals around 60 s and 1 s. */
const usualSeconds = 60 * Math.exp(0.3 ** 2 / 2) + Math.exp(0.5 ** 2 / 2);
/** Every run meets the same durations in the same order. */
const seed = 1;

const at: number[] = [];
const outstanding: number[] = [];
const change: number[] = [];
const durationsMs: number[] = [];
const beganAt = new Map<string, number>();

function note(message: string, fields: Readonly<Record<string, unknown>>): void {
  const { id, vendor, outstanding: count } = fields;
  if (vendor !== 'wavespeed' || typeof id !== 'string' || typeof count !== 'number') return;
  const now = performance.timeOrigin + performance.now();
  const isBegin = message === 'prediction created';
  at.push(now);
  outstanding.push(count);
  change.push(isBegin ? 1 : -1);
  if (isBegin) beganAt.set(id, now);
  else durationsMs.push(now - (beganAt.get(id) ?? now));
}

async function open({ port, webhookSecret, limits, videoSeconds }: VendorPlan): Promise<void> {
  const timeScale = videoSeconds / usualSeconds;
  const vendors = { wavespeed: { tier: limits } };
  const idSalt = String(Date.now());
  await createSimulator({ seed, idSalt, tier: 'ultra', timeScale, webhookSecret, vendors, log: note }).listen(port);
  process.send?.({ kind: 'open' } satisfies VendorOpen);
}

process.on('message', (message: VendorPlan | { readonly kind: 'read' }) => {
  if (message.kind === 'open') void open(message);
  else process.send?.({ kind: 'books', at, outstanding, change, durationsMs } satisfies VendorBooks);
});
