import type { StoredLine } from '../../db/scheduler/line.ts';
import { type DrainForecast, longWaitMsOf } from '../../domain/drain.ts';
import { type DurationSketch, lengthened, readOverhead } from '../../domain/durations.ts';
import { type OwnPlace, positionOf } from '../../domain/place.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Route } from '../../domain/route.ts';
import type { LineViews } from '../reading/line-views.ts';
import { Problem } from '../problems/problem.ts';
import { forecastOf, isOwnLine, sketchOf, viewOf } from '../reading/queue-object.ts';

/** One that asks to stand in line. */
export interface Waiter {
  readonly route: Route;
  readonly tenant: string;
  /** The index in `priorities`. */
  readonly class: number;
  readonly queueTtlSeconds: number;
  /** How many of its user's jobs wait already. Undefined: nobody knows, and it is taken for the first. */
  readonly peekWaiting: () => number | undefined;
}

/** Refuses what would only wait to expire. */
export interface WaitGate {
  /** Throws when four fifths of such jobs would wait longer than this one may. At once: a line that is not known lets in. */
  check(waiter: Waiter): void;
}

/** The forecast of a line for one target, which is worth keeping as long as the view of the line is. */
interface TargetLine {
  readonly forecast: DrainForecast;
  readonly sketch: DurationSketch;
  readonly own: string | null;
  /** What the very last of all would wait. */
  readonly waitMsMax: number;
}

export function createWaitGate(lines: Pick<LineViews, 'peek'>): WaitGate {
  const known = new WeakMap<StoredLine, Map<string, TargetLine | null>>();

  return {
    check(waiter) {
      const ttlMs = waiter.queueTtlSeconds * 1_000;
      let shortestMs = Number.POSITIVE_INFINITY;
      // It may be served by any target of its route that has room before.
      for (const target of waiter.route) {
        const line = lines.peek(target.pool, ttlMs * limits.lineAgeShareOfTtl);
        const targetLine = line && targetLineOf(line, waiter.route, target.name);
        if (!line || !targetLine || targetLine.waitMsMax <= ttlMs) return;
        const waitMs = waitMsAt(line, targetLine, waiter);
        if (waitMs <= ttlMs) return;
        shortestMs = Math.min(shortestMs, waitMs);
      }
      if (shortestMs < Number.POSITIVE_INFINITY) throw tooLong(shortestMs, ttlMs);
    },
  };

  function targetLineOf(line: StoredLine, route: Route, name: string): TargetLine | null {
    const targets = known.get(line) ?? new Map<string, TargetLine | null>();
    known.set(line, targets);
    const remembered = targets.get(name);
    if (remembered !== undefined) return remembered;
    const made = readTargetLine(line, route, name);
    targets.set(name, made);
    return made;
  }
}

/** Null: nobody knows when it will be served, for nothing is known of the pool, or the target is left alone or held for a while. */
function readTargetLine(line: StoredLine, route: Route, name: string): TargetLine | null {
  const target = line.targets.find((one) => one.name === name);
  if (target === undefined || target.waitReason === 'breaker' || target.waitReason === 'operator') return null;
  const own = isOwnLine(target) ? name : null;
  const sketch = lengthened(sketchOf(route, target, name), readOverhead(target.durations).beforeMs);
  const forecast = forecastOf({ line, own, sketch });
  if (forecast === null) return null;
  const waiting = viewOf(line, own).shares.reduce((sum, share) => sum + share.waiting, 0);
  return { forecast, sketch, own, waitMsMax: longWaitMsOf(forecast, { position: waiting + 1, sketch }) };
}

function waitMsAt(line: StoredLine, { forecast, sketch, own }: TargetLine, waiter: Waiter): number {
  const view = viewOf(line, own);
  const share = view.shares.find((one) => one.class === waiter.class && one.tenant === waiter.tenant);
  const place: OwnPlace = {
    class: waiter.class,
    tenant: waiter.tenant,
    weight: share?.weight ?? 1,
    // All of a tenant without users is one flow.
    rank: share?.flows === 1 ? share.waiting + 1 : (waiter.peekWaiting() ?? 0) + 1,
    tag: null,
    since: null,
    lanes: line.lanes,
  };
  return longWaitMsOf(forecast, { position: positionOf(view, place), sketch });
}

function tooLong(waitMs: number, ttlMs: number): Problem {
  const waitSeconds = Math.ceil(waitMs / 1_000);
  const seconds = Math.ceil(Math.min((waitMs - ttlMs) / 1_000, retryAfterSecondsMax));
  const detail =
    `The line is such that the job would wait some ${waitSeconds} s, and its queue_ttl_seconds are ${ttlMs / 1_000}. ` +
    'Send it again later, or with a larger queue_ttl_seconds.';
  return new Problem('queue_too_long', {
    detail,
    headers: { 'retry-after': String(seconds) },
    isLasting: seconds > secondsWorthWaiting,
  });
}

const retryAfterSecondsMax = 3_600;
/** A client that keeps its caller waiting had better tell it. */
const secondsWorthWaiting = 60;
