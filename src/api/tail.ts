import { comparePositions, type EventPosition, findHorizon, readEventsAfter, type TenantEvent } from '../db/events.ts';
import type { Database } from '../db/pool.ts';
import { limits } from '../domain/limits.ts';
import { createAlarm } from './alarm.ts';
import { within } from './database-wait.ts';

/** Told of the events of a tenant as they come, in order. Those that are not settled come again once they are. */
export type OnEvents = (events: readonly TenantEvent[]) => void;

/** Reads the new events of every tenant that somebody follows, once for all who do. */
export interface Tail {
  /** Resolves once nothing that is written from now on can be missed. Rejects while the database is away. */
  follow(tenant: string, onEvents: OnEvents): Promise<Following>;
  /** There may be new events. Any number of calls within a moment are one reading. */
  wake(): void;
  stop(): void;
}

export interface Following {
  /** Behind it lies what is told. */
  readonly since: EventPosition;
  end(): void;
}

interface Feed {
  readonly tenant: string;
  /** How far its settled events have been told. */
  position: EventPosition;
  readonly followers: Set<OnEvents>;
}

/** One timer and at most one statement at a time, however many follow; nothing at all while nobody does. */
export function createTail(pool: Database): Tail {
  const feeds = new Map<string, Feed>();
  const alarm = createAlarm(() => void round());
  let reading = false;
  let woken = false;
  let gapMs: number = limits.eventsReadGapMs;
  let unsettledMs: number = limits.eventsUnsettledMs;

  return {
    async follow(tenant, onEvents) {
      const feed = feeds.get(tenant) ?? (await begin(tenant));
      feed.followers.add(onEvents);
      if (!reading) alarm.set(limits.eventsReadEveryMs);
      return { since: feed.position, end: () => leave(feed, onEvents) };
    },
    wake() {
      woken = true;
      if (!reading && feeds.size > 0) alarm.set(gapMs);
    },
    stop() {
      feeds.clear();
      alarm.stop();
    },
  };

  async function begin(tenant: string): Promise<Feed> {
    const position = await findHorizon(pool);
    // Somebody else may have begun meanwhile, and read on from there.
    const feed = feeds.get(tenant) ?? { tenant, position, followers: new Set() };
    feeds.set(tenant, feed);
    return feed;
  }

  function leave(feed: Feed, onEvents: OnEvents): void {
    feed.followers.delete(onEvents);
    if (feed.followers.size === 0 && feeds.get(feed.tenant) === feed) feeds.delete(feed.tenant);
  }

  async function round(): Promise<void> {
    if (feeds.size === 0) return;
    reading = true;
    woken = false;
    const startedAt = performance.now();
    // A database that does not answer is asked again a moment later: nobody's place is lost.
    const next = await read().catch((): Next => 'idle');
    reading = false;
    // Slow readings come seldom, so that they are a small share of what the database does.
    gapMs = Math.max(limits.eventsReadGapMs, 3 * (performance.now() - startedAt));
    const waitMs = next === 'unsettled' ? unsettledMs : limits.eventsReadEveryMs;
    // Whoever keeps the horizon back may do so for long: then it is looked for ever more seldom.
    unsettledMs = next === 'unsettled' ? Math.min(2 * unsettledMs, limits.eventsReadEveryMs) : limits.eventsUnsettledMs;
    if (feeds.size > 0) alarm.set(next === 'more' || woken ? gapMs : waitMs);
  }

  async function read(): Promise<Next> {
    const positions = [...feeds.values()].map(({ tenant, position }) => ({ tenant, after: position }));
    const rows = await within(readEventsAfter(pool, positions, limits.eventsReadMax), limits.eventsReadMsMax);
    const byTenant = new Map<string, TenantEvent[]>();
    for (const row of rows) {
      const events = byTenant.get(row.tenant) ?? [];
      events.push(row);
      byTenant.set(row.tenant, events);
    }
    return joined([...byTenant].map(([tenant, events]) => take(tenant, events)));
  }

  function take(tenant: string, events: readonly TenantEvent[]): Next {
    const feed = feeds.get(tenant);
    if (feed === undefined) return 'idle';
    tell(feed, events);
    const settled = events.filter(({ isSettled }) => isSettled).length;
    if (settled === limits.eventsReadMax) return 'more';
    return settled < events.length ? 'unsettled' : 'idle';
  }
}

/** Whether there is more to be read at once, or soon. */
type Next = 'more' | 'unsettled' | 'idle';

function joined(nexts: readonly Next[]): Next {
  return nexts.find((next) => next === 'more') ?? nexts.find((next) => next === 'unsettled') ?? 'idle';
}

function tell(feed: Feed, events: readonly TenantEvent[]): void {
  const last = events.findLast(({ isSettled }) => isSettled);
  // A feed that ended and began anew during the reading has a place of its own.
  if (last !== undefined && comparePositions(last, feed.position) > 0) {
    const { tx, job, seq } = last;
    feed.position = { tx, job, seq };
  }
  for (const follower of feed.followers) follower(events);
}
