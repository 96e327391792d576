import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { temporaryProblem } from '../problems/problem.ts';

export interface LookupSettings<Value> {
  /** Reads many at once. What is not in the answer does not exist. */
  readonly readMany: (names: readonly string[]) => Promise<ReadonlyMap<string, Value>>;
  /** Milliseconds, of any clock. */
  readonly clock: () => number;
  /** What is older is read anew, while it still serves. */
  readonly freshMs: number;
  /** What is older does not serve any more: whoever asks waits. */
  readonly servedMsMax: number;
  /** How long it is believed that something does not exist. */
  readonly absentMs: number;
}

/** Small facts that are asked for by every request and change seldom. */
export interface CachedLookup<Value> {
  /** Undefined: it does not exist. Rejects with a 503 where the database did not say, and what is known is too old. */
  find(name: string): Promise<Value | undefined>;
}

interface Known<Value> {
  readonly value: Value;
  readonly readAt: number;
}

/** One statement, before it is sent and while it is under way. */
interface Flight<Value> {
  readonly names: Set<string>;
  readonly answers: Promise<ReadonlyMap<string, Value>>;
}

/**
 * One statement is under way at a time, and the next one reads whatever is asked for meanwhile: a flood of requests costs
 * no more than that, however many names it invents. What is known is kept apart from what is known not to exist, so that
 * invented names push no real ones out.
 */
export function createCachedLookup<Value>(settings: LookupSettings<Value>): CachedLookup<Value> {
  const { clock } = settings;
  const known = new Map<string, Known<Value>>();
  const absent = new Map<string, Known<undefined>>();
  let current: Flight<Value> | undefined;
  let next: Flight<Value> | undefined;
  let sentAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;

  return {
    async find(name) {
      const found = known.get(name);
      const ageMs = ageOf(found);
      if (found !== undefined && ageMs < settings.servedMsMax) {
        if (ageMs >= settings.freshMs) refresh(name);
        return found.value;
      }
      return ageOf(absent.get(name)) < settings.absentMs ? undefined : await ask(name);
    },
  };

  /** A clock that was set back makes everything old. */
  function ageOf(fact: Known<unknown> | undefined): number {
    const ageMs = fact === undefined ? Number.POSITIVE_INFINITY : clock() - fact.readAt;
    return ageMs < 0 ? Number.POSITIVE_INFINITY : ageMs;
  }

  /** Beside the request, which has its answer already. A database that is away is not asked by each of them anew. */
  function refresh(name: string): void {
    if (performance.now() - failedAt < limits.lookupRetryMs) return;
    ask(name).catch(() => undefined);
  }

  async function ask(name: string): Promise<Value | undefined> {
    const flight = current?.names.has(name) === true ? current : (next ??= plan());
    if (!flight.names.has(name) && flight.names.size >= limits.lookupNamesMax) throw temporaryProblem('overloaded');
    flight.names.add(name);
    return (await flight.answers).get(name);
  }

  function plan(): Flight<Value> {
    const names = new Set<string>();
    const before = current?.answers.catch(() => undefined) ?? Promise.resolve();
    const flight: Flight<Value> = { names, answers: before.then(inTime).then(() => fly(flight)) };
    return flight;
  }

  /** Postgres answers in less than a millisecond: without a pause between them a flood would have a statement each. */
  async function inTime(): Promise<void> {
    const leftMs = sentAt + limits.lookupEveryMs - performance.now();
    if (leftMs > 0) await delay(leftMs);
  }

  async function fly(flight: Flight<Value>): Promise<ReadonlyMap<string, Value>> {
    current = flight;
    next = undefined;
    sentAt = performance.now();
    const readAt = clock();
    const names = [...flight.names];
    try {
      const answers = await beginDatabaseWait(limits.lookupWaitMsMax).answered(settings.readMany(names));
      for (const name of names) remember(name, { value: answers.get(name), readAt });
      return answers;
    } catch (error) {
      failedAt = performance.now();
      throw error;
    } finally {
      current = undefined;
    }
  }

  function remember(name: string, { value, readAt }: Known<Value | undefined>): void {
    known.delete(name);
    absent.delete(name);
    if (value === undefined) keep(absent, name, { value, readAt });
    else keep(known, name, { value, readAt });
  }
}

/** The oldest makes room. */
function keep<Fact>(facts: Map<string, Fact>, name: string, fact: Fact): void {
  const [oldest] = facts.size >= limits.lookupsKeptMax ? facts.keys() : [];
  if (oldest !== undefined) facts.delete(oldest);
  facts.set(name, fact);
}
