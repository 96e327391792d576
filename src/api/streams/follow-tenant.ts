import { comparePositions, type EventPosition, readEventsAfter, type TenantEvent } from '../../db/jobs/events.ts';
import type { Database } from '../../db/pool.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Tail } from './tail.ts';

/** Where the events of a tenant are told. */
export interface TenantOutlet {
  event(event: TenantEvent): void;
  /** The reader has yet to take what it was told. */
  isFull(): boolean;
  /** Resolves once the reader has taken what was told, and rejects when there is none any more. */
  drained(): Promise<void>;
  /** The story can't go on here: the reader is to come back. */
  cut(): void;
}

export interface TenantStory {
  /** Behind it lies everything that will be told. */
  readonly since: EventPosition;
  /** Tells what was missed, page by page as the reader takes it, and from then on what comes. Called once. */
  tell(outlet: TenantOutlet): void;
  leave(): void;
}

export interface TenantWish {
  readonly tenant: string;
  /** Where the reader has come to. Absent: it wants what comes from now on. */
  readonly after?: EventPosition | undefined;
}

/**
 * Opens the story of all jobs of a tenant: every event once, and those of a job in their order. A reader that does not take
 * them as fast as they come is told at its own pace, from the database.
 */
export async function followTenant(
  { pool, tail }: { pool: Database; tail: Tail },
  { tenant, after }: TenantWish,
): Promise<TenantStory> {
  const teller = createTeller((position) =>
    readEventsAfter(pool, [{ tenant, after: position }], limits.eventsReplayedMax),
  );
  const following = await tail.follow(tenant, (events) => teller.hear(events));
  const since = after ?? following.since;
  return {
    since,
    tell: (outlet) => teller.begin(outlet, since),
    leave() {
      teller.stop();
      following.end();
    },
  };
}

interface Teller {
  hear(events: readonly TenantEvent[]): void;
  begin(outlet: TenantOutlet, position: EventPosition): void;
  stop(): void;
}

function createTeller(readPage: (after: EventPosition) => Promise<readonly TenantEvent[]>): Teller {
  let told: { readonly outlet: TenantOutlet; position: EventPosition } | undefined;
  /** What comes while a page is read, which may hold it too. Undefined: it is told, or will be read. */
  let meanwhile: TenantEvent[] | undefined;
  let isLive = false;

  return {
    hear(events) {
      if (meanwhile !== undefined) meanwhile.push(...events);
      else if (isLive && !takeAll(events)) void catchUp();
    },
    begin(outlet, position) {
      told = { outlet, position };
      void catchUp();
    },
    stop() {
      told = undefined;
    },
  };

  /** Whether the reader has taken them all. */
  function takeAll(events: readonly TenantEvent[]): boolean {
    for (const event of events) {
      if (told === undefined) return true;
      if (told.outlet.isFull()) return false;
      take(event);
    }
    return true;
  }

  function take(event: TenantEvent): void {
    if (told === undefined || !event.isSettled || comparePositions(event, told.position) <= 0) return;
    told.position = event;
    told.outlet.event(event);
  }

  async function catchUp(): Promise<void> {
    isLive = false;
    const { outlet } = told ?? {};
    try {
      while (told !== undefined && !isLive) await takePage(told);
    } catch {
      outlet?.cut();
    }
  }

  /** A page that is not full had all that was there when it was read; what came since then has been put by. */
  async function takePage({ outlet, position }: NonNullable<typeof told>): Promise<void> {
    meanwhile = [];
    const page = await readPage(position);
    const isLast = page.filter(({ isSettled }) => isSettled).length < limits.eventsReplayedMax;
    const since = meanwhile;
    meanwhile = undefined;
    // Set in the same moment, so that nothing comes in between.
    isLive = isLast && takeAll(page) && takeAll(since);
    if (isLive) return;
    for (const event of page) {
      if (outlet.isFull()) await outlet.drained();
      take(event);
    }
  }
}
