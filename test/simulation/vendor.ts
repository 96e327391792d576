import { type Failure, failureOf } from '../../src/domain/failure.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import type { Clockwork } from './clockwork.ts';
import type { Awaitable } from './records.ts';
import type { Scenario } from './scenario.ts';

/** A paid order as it reaches the vendor. */
export interface Order {
  readonly job: string;
  readonly attempt: number;
  readonly token: string;
  readonly target: RouteTarget;
}

export interface Operation extends Order {
  readonly id: string;
  readonly createdAt: number;
  state: 'queued' | 'running' | 'finished' | 'failed';
  failure: Failure | null;
  endedAt: number | null;
}

export type PostAnswer =
  | { readonly kind: 'accepted'; readonly operation: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'unknown' };

/** The vendors of a run, with books of their own: what they say of us is what counts. */
export interface Vendor {
  /** One POST arrives, now. */
  post(order: Order): PostAnswer;
  /** Undefined: there was no answer. */
  check(operation: string): Operation | undefined;
  /** By our own mark, where the vendor lists what it has. */
  findByAttempt(job: string, attempt: number): Operation | undefined;
  stop(operation: string): void;
  readonly posts: readonly { readonly at: number; readonly order: Order }[];
  readonly operations: readonly Operation[];
}

export interface VendorSettings {
  readonly scenario: Scenario;
  readonly clockwork: Clockwork;
  /** A callback is on its way. */
  readonly onCallback: (
    operation: Operation,
    delivery: { readonly copy: number; readonly isProven: boolean },
  ) => Awaitable<void>;
}

export function createVendor({ scenario, clockwork, onCallback }: VendorSettings): Vendor {
  const { faults } = scenario;
  const { random, after, now } = clockwork;
  const posts: { at: number; order: Order }[] = [];
  const operations = new Map<string, Operation>();

  const call = (operation: Operation): void => {
    if (!operation.target.callbacks || random.chance(faults.callbackDropped)) return;
    for (let copy = random.chance(faults.callbackDoubled) ? 2 : 1; copy > 0; copy -= 1) {
      const delayMs = random.between(random.chance(faults.callbackDelayed) ? [1_000, 60_000] : [10, 500]);
      const isProven = !random.chance(faults.callbackUnproven);
      after(delayMs, () => onCallback(operation, { copy, isProven }));
    }
  };
  const end = (operation: Operation): void => {
    if (operation.state === 'finished' || operation.state === 'failed') return;
    operation.state = random.chance(faults.failed) ? 'failed' : 'finished';
    operation.endedAt = now();
    if (operation.state === 'failed')
      operation.failure = failureOf(random.pick(['provider_failed', 'provider_failed', 'timed_out', 'moderation']));
    call(operation);
  };
  const create = (order: Order): Operation => {
    const id = `operation-${operations.size + 1}`;
    const isQueued = random.chance(faults.queued);
    const fresh = { createdAt: now(), failure: null, endedAt: null };
    const operation: Operation = { ...order, ...fresh, id, state: isQueued ? 'queued' : 'running' };
    operations.set(id, operation);
    const { typicalMs, longestMs } = order.target;
    // Sooner or later even a vendor gives up on what hangs there.
    if (random.chance(faults.stuck)) {
      after(longestMs * random.between([1.2, 2]), () => end(operation));
      return operation;
    }
    const queuedMs = isQueued ? random.between([0, typicalMs]) : 0;
    after(queuedMs, () => {
      if (operation.state === 'queued') operation.state = 'running';
    });
    const factor = random.chance(faults.slow) ? random.between([1, 4]) : random.between([0.6, 1.3]);
    after(queuedMs + typicalMs * factor, () => end(operation));
    return operation;
  };
  return {
    posts,
    get operations() {
      return [...operations.values()];
    },
    post(order) {
      posts.push({ at: now(), order });
      if (random.chance(faults.refused)) return { kind: 'refused', failure: failureOf('rate_limited') };
      if (random.chance(faults.invalid)) return { kind: 'refused', failure: failureOf('invalid_input') };
      if (random.chance(faults.unreachable)) return { kind: 'refused', failure: failureOf('unreachable') };
      if (random.chance(faults.lostBefore)) return { kind: 'unknown' };
      const { id } = create(order);
      return random.chance(faults.lostAfter) ? { kind: 'unknown' } : { kind: 'accepted', operation: id };
    },
    check: (id) => (random.chance(faults.checkUnreachable) ? undefined : operations.get(id)),
    findByAttempt: (job, attempt) =>
      [...operations.values()].find((operation) => operation.job === job && operation.attempt === attempt),
    stop(id) {
      const operation = operations.get(id);
      if (operation === undefined || operation.state === 'finished' || operation.state === 'failed') return;
      operation.state = 'failed';
      operation.endedAt = now();
      operation.failure = failureOf('provider_failed');
      call(operation);
    },
  };
}
