import { ownReasons, type StoredLine, type StoredLineTarget } from '../../db/scheduler/line.ts';
import type { WaitingPlace } from '../../db/scheduler/place.ts';
import { type DrainForecast, etaMsOf, forecastDrain } from '../../domain/drain.ts';
import { durationAt, type DurationSketch, lengthened, readDurations, readOverhead } from '../../domain/durations.ts';
import { type Observed, observedOf } from '../../domain/pace.ts';
import type { WaitReason } from '../../domain/grants.ts';
import { rankOf } from '../../domain/flow-depth.ts';
import { type LineView, positionOf } from '../../domain/place.ts';
import type { Route } from '../../domain/route.ts';

export interface QueueObject {
  /** The place in line, 1 being the next; 0: has left it and is about to start. Null where nobody has counted. */
  readonly position: number | null;
  /** Until the video is made, or sooner in four cases of five. Null where nobody knows. */
  readonly eta_seconds: number | null;
  readonly reason: QueueReason;
}

/**
 * `waiting_capacity` every slot is taken, or the line has not been looked at yet; `waiting_rate` starts are spaced;
 * `waiting_budget` the cap on spending, or the tenant's own budget, leaves no room; `waiting_target` its target is left alone for its failures,
 * and no sound one of its route has room; `waiting_operator` an operator has paused its target, the account, or the tenant; `waiting_retry` it was told to come back later; `starting` it has left the line.
 */
export type QueueReason =
  | 'waiting_capacity'
  | 'waiting_rate'
  | 'waiting_budget'
  | 'waiting_target'
  | 'waiting_operator'
  | 'waiting_retry'
  | 'starting';

/** What is known of a job that has yet to start. */
export interface QueueContext {
  /** Undefined: it is about to start. */
  readonly place?: WaitingPlace | undefined;
  /** The line of its pool. Undefined: nobody could look. */
  readonly line?: StoredLine | undefined;
  /** The cap on spending leaves no room for it. */
  readonly isOverBudget?: boolean;
}

export function queueOf(route: Route, { place, line, isOverBudget = false }: QueueContext): QueueObject {
  const target = line?.targets.find(({ name }) => name === (place?.target ?? route[0]?.name));
  const { beforeMs, afterMs } = readOverhead(target?.durations);
  // A slot is taken from the grant on.
  const sketch = lengthened(sketchOf(route, target, place?.target), beforeMs);
  const servedMs = durationAt(sketch, 0.8) + afterMs;
  if (place === undefined) return { position: 0, eta_seconds: seconds(servedMs), reason: 'starting' };
  // Nobody is served of a tenant that is paused, and nobody knows until when.
  if (place.isHeld === true) return { position: null, eta_seconds: null, reason: 'waiting_operator' };
  // Parked only so as not to stand in the others' way: nobody knows when its turn comes.
  if (place.isOverBudget) return { position: null, eta_seconds: null, reason: 'waiting_budget' };
  if (place.parkedMs !== null)
    return { position: null, eta_seconds: seconds(place.parkedMs + servedMs), reason: 'waiting_retry' };

  const reason = waitingFor(target, isOverBudget);
  if (line === undefined) return { position: null, eta_seconds: null, reason };
  const own = isOwnLine(target) ? place.target : null;
  const position = positionIn(viewOf(line, own), { place, line, own });
  if (endless.has(reason)) return { position, eta_seconds: null, reason };
  const forecast = forecastOf({ line, own, sketch });
  return { position, eta_seconds: forecast && seconds(etaMsOf(forecast, { position, sketch, afterMs })), reason };
}

/** The reasons of the grant pass that callers are told in a word of their own: all others are capacity to them. */
const words: ReadonlyMap<string, QueueReason> = new Map<WaitReason, QueueReason>([
  ['budget', 'waiting_budget'],
  ['operator', 'waiting_operator'],
  ['breaker', 'waiting_target'],
  ['paused', 'waiting_rate'],
  ['rate', 'waiting_rate'],
  ['target_rate', 'waiting_rate'],
]);

/** Nobody knows when the cap will be raised, a target will be well again, or an operator will let it go on. */
const endless: ReadonlySet<QueueReason> = new Set<QueueReason>([
  'waiting_budget',
  'waiting_target',
  'waiting_operator',
]);

/** What an operator holds back waits for that, whatever else there is. */
function waitingFor(target: StoredLineTarget | undefined, isOverBudget: boolean): QueueReason {
  const reason = reasonOf(target);
  return isOverBudget && reason !== 'waiting_operator' ? 'waiting_budget' : reason;
}

function reasonOf(target: StoredLineTarget | undefined): QueueReason {
  return words.get(target?.waitReason ?? '') ?? 'waiting_capacity';
}

export function isOwnLine(target: StoredLineTarget | undefined): boolean {
  return target !== undefined && target.waitReason !== null && ownReasons.includes(target.waitReason);
}

export function viewOf({ lanes, shares }: StoredLine, own: string | null): LineView {
  return { lanes, shares: shares.filter(({ target }) => target === own) };
}

interface Standing {
  readonly place: WaitingPlace;
  readonly line: StoredLine;
  /** The target whose line it is. Null: the one that the others share. */
  readonly own: string | null;
}

function positionIn(view: LineView, { place, line, own }: Standing): number {
  const shared = new Set(line.targets.filter((target) => !isOwnLine(target)).map(({ name }) => name));
  const besides = Object.entries(place.besides).filter(([name]) => own === null && shared.has(name));
  const rank = besides.reduce((sum, [, waiting]) => sum + Math.max(waiting, 0), rankOf(place.depth));
  return positionOf(view, {
    class: place.class,
    tenant: place.tenant,
    weight: place.weight,
    rank,
    tag: place.tag,
    since: place.since,
    lanes: place.lanes,
  });
}

/** The forecast of a line: of the whole pool, or of a target that waits for reasons of its own. */
export function forecastOf({
  line,
  own,
  sketch,
}: Pick<Standing, 'line' | 'own'> & { sketch: DurationSketch }): DrainForecast | null {
  if (line.outstandingMax === null || line.perMinuteMax === null) return null;
  const targets = line.targets.filter((target) => (own === null ? !isOwnLine(target) : target.name === own));
  const [target] = own === null ? [] : targets;
  const holders = own === null ? line.targets : targets;
  return forecastDrain({
    slots: (target?.outstandingMax ?? line.outstandingMax) - holders.reduce((sum, { zombies }) => sum + zombies, 0),
    perMinuteMax: Math.min(target?.perMinuteMax ?? line.perMinuteMax, line.perMinuteMax),
    underWay: holders.flatMap(({ underWay }) => underWay.map(([ageMs, count]) => ({ ageMs, count }))),
    sketch,
    observed: together(targets.map(({ drained }) => observedOf(drained)).filter(({ spanMs }) => spanMs > 0)),
  });
}

/** Targets that share a line: what disturbs one of them disturbs the others. */
function together(observed: readonly Observed[]): Observed {
  const spanMs = Math.max(0, ...observed.map((one) => one.spanMs));
  const inSpan = observed.map((one) => ({ granted: (one.granted / one.spanMs) * spanMs, error: one.error }));
  const granted = inSpan.reduce((sum, one) => sum + one.granted, 0);
  const error = inSpan.reduce((sum, one) => sum + one.error * one.granted, 0) / Math.max(granted, 1);
  return { granted, spanMs, error };
}

export function sketchOf(route: Route, target: StoredLineTarget | undefined, name: string | undefined): DurationSketch {
  const named = route.find((one) => one.name === name) ?? route[0];
  return readDurations(target?.durations, { typicalMs: named?.typicalMs ?? 0, longestMs: named?.longestMs ?? 0 });
}

function seconds(millis: number): number {
  return Math.ceil(millis / 1_000);
}
