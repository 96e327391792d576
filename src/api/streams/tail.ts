import {
  comparePositions,
  type EventPosition,
  findHorizon,
  readEventsAfter,
  type TenantEvent,
  type TenantPosition,
} from '../../db/jobs/events.ts';
import type { Database } from '../../db/pool.ts';
import { limits } from '../../domain/limits/limits.ts';
import { createAlarm } from './alarm.ts';
import { within } from '../database-wait.ts';

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
  /** How far those that are not settled have been told, where they are more than one reading. */
  ahead: EventPosition | undefined;
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
      const position = feeds.get(tenant)?.position ?? (await findHorizon(pool));
      // Somebody else may have begun meanwhile, and read on from there. In one step, so that nobody ends it in between.
      const feed = feeds.get(tenant) ?? { tenant, position, ahead: undefined, followers: new Set() };
      feeds.set(tenant, feed);
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
    const open = [...feeds.values()];
    const pages = await pagesAfter(
      pool,
      open.map(({ tenant, position }) => ({ tenant, after: position })),
    );
    const next = joined(
      open.map(({ tenant }) => {
        const feed = feeds.get(tenant);
        return feed === undefined ? 'idle' : take(feed, pages.get(tenant) ?? []);
      }),
    );
    const ahead = open.flatMap(({ tenant, ahead: after }) => (after === undefined ? [] : [{ tenant, after }]));
    return ahead.length === 0 ? next : joined([next, await readAhead(ahead)]);
  }

  /** What lies behind a page of events that stays the same for as long as somebody holds the horizon back. */
  async function readAhead(positions: readonly TenantPosition[]): Promise<Next> {
    const pages = await pagesAfter(pool, positions);
    return joined(
      positions.map(({ tenant }) => {
        const feed = feeds.get(tenant);
        return feed === undefined ? 'idle' : takeAhead(feed, pages.get(tenant) ?? []);
      }),
    );
  }
}

async function pagesAfter(
  pool: Database,
  positions: readonly TenantPosition[],
): Promise<ReadonlyMap<string, readonly TenantEvent[]>> {
  const rows = await within(readEventsAfter(pool, positions, limits.eventsReadMax), limits.eventsReadMsMax);
  const byTenant = new Map<string, TenantEvent[]>();
  for (const row of rows) {
    const events = byTenant.get(row.tenant) ?? [];
    events.push(row);
    byTenant.set(row.tenant, events);
  }
  return byTenant;
}

/** Whether there is more to be read at once, or soon. */
type Next = 'more' | 'unsettled' | 'idle';

function joined(nexts: readonly Next[]): Next {
  return nexts.find((next) => next === 'more') ?? nexts.find((next) => next === 'unsettled') ?? 'idle';
}

/** Takes what lies next, of which the last may not be settled. */
function take(feed: Feed, events: readonly TenantEvent[]): Next {
  const last = events.findLast(({ isSettled }) => isSettled);
  // A feed that ended and began anew during the reading has a place of its own.
  if (last !== undefined && comparePositions(last, feed.position) > 0) feed.position = positionOf(last);
  tellAll(feed, events);
  const end = events.at(-1);
  if (end === undefined || events.length < limits.eventsReadMax) feed.ahead = undefined;
  else if (end.isSettled) return 'more';
  else if (feed.ahead === undefined || comparePositions(end, feed.ahead) > 0) {
    feed.ahead = positionOf(end);
    return 'more';
  }
  return end === undefined || end.isSettled ? 'idle' : 'unsettled';
}

/** Takes what lies behind what is not settled: it is not either, whatever has ended meanwhile. */
function takeAhead(feed: Feed, events: readonly TenantEvent[]): Next {
  const end = events.at(-1);
  if (end === undefined) return 'idle';
  if (feed.ahead !== undefined) feed.ahead = positionOf(end);
  tellAll(
    feed,
    events.map((event) => ({ ...event, isSettled: false })),
  );
  return events.length === limits.eventsReadMax ? 'more' : 'unsettled';
}

function tellAll({ followers }: Feed, events: readonly TenantEvent[]): void {
  if (events.length === 0) return;
  for (const follower of followers) {
    try {
      follower(events);
    } catch {
      // It is one reader's, and not to keep the others from what they are told.
    }
  }
}

function positionOf({ tx, job, seq }: EventPosition): EventPosition {
  return { tx, job, seq };
}
