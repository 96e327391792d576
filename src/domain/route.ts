import type { Failure } from './failure.ts';

/**
 * The ordered targets of a job, snapshotted when it is accepted, so that a change of the catalogue changes no job under
 * way. It travels into workflow histories: names and figures only, nothing of the request.
 */
export type Route = readonly RouteTarget[];

export interface RouteTarget {
  /** The target's name in the catalogue, for example `wavespeed/wan-2.6`. */
  readonly name: string;
  readonly provider: string;
  readonly pool: string;
  /** The vendor's model id. */
  readonly vendorModel: string;
  /** Milliseconds that a video usually takes here, from submit to end. */
  readonly typicalMs: number;
  /** Milliseconds after which no video of this target can still be under way at the vendor. */
  readonly longestMs: number;
  /** Milliseconds that we wait, from running, before the next target is tried as well. */
  readonly patienceMs: number;
  /** Milliseconds that a ticket waits in line here before a later target that has room may serve it. Absent: for ever. */
  readonly spillAfterMs?: number;
  /** Milliseconds that an ambiguous submit may take to prove itself by callback or list. */
  readonly unknownGraceMs: number;
  /** What follows when it has not: see design.md 2.6. */
  readonly unknownPolicy: 'wait' | 'resubmit' | 'fail';
  /** Whether a callback is registered. Without one the poll carries the job alone. */
  readonly callbacks: boolean;
  /** Whether a job that we left can be stopped there, its work and cost with it. */
  readonly stoppable: boolean;
  /** Whether another target may try what this one refused on its content policy. Absent: never. */
  readonly moderation?: 'never' | 'elsewhere';
  /** What one video of this request costs here, in millionths of a US dollar. Null: unknown. */
  readonly priceUsdMicros: number | null;
  /** What is billed of an attempt that made no video, where it is not as `usualBills` has it. */
  readonly bills?: Partial<Bills>;
}

/**
 * What a vendor bills beside videos: the whole price or nothing, of an attempt that it reports as `failed`; that it took and
 * then `refused`, for the content or the input of the request; that we `cancelled` there in time; and that was `abandoned`,
 * so that nobody has heard its end. What was refused before anything was created is never billed.
 */
export type Bills = Readonly<Record<'failed' | 'refused' | 'cancelled' | 'abandoned', 'none' | 'full'>>;

/** Of a target that says nothing of it. Who knows nothing books everything. */
export const usualBills: Bills = { failed: 'none', refused: 'none', cancelled: 'full', abandoned: 'full' };

/**
 * Milliseconds from the first POST in which a job must end: every target gets its longest duration once. The queue's
 * waiting time between attempts counts too, hence the floor of ten minutes.
 */
export function runBudgetMs(route: Route): number {
  const longest = route.reduce((sum, target) => sum + target.longestMs, 0);
  return Math.max(longest + 60_000, 600_000);
}

/** A failure with the advice that counts at its target: who may try what was refused on its content is the catalogue's word. */
export function failureAt(target: RouteTarget, failure: Failure): Failure {
  if (failure.code !== 'moderation') return failure;
  return { ...failure, retry: target.moderation ?? 'never' };
}
