import { setTimeout as sleep } from 'node:timers/promises';

export interface BatcherSettings<Item, Result> {
  /** Writes a batch and returns the results in the order of its items. Safe to repeat with the same items. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Whether an error of `write` is the fault of one of the items, so that the others can go without it. */
  readonly isFaultOfItem: (error: unknown) => boolean;
  readonly batchMax: number;
  /** Items that may wait or be under way. */
  readonly backlogMax: number;
  /** Batches that may be under way at once. */
  readonly flightsMax: number;
  /** Milliseconds from one batch to the next: what comes after a pause goes at once, what comes in a flood gathers. */
  readonly everyMs: number;
  readonly triesMax: number;
  /** Milliseconds from `submit` to an answer, whatever it is. */
  readonly waitMsMax: number;
  readonly onBatch?: (size: number) => void;
}

export interface Batcher<Item, Result> {
  /** `waitMs`: what the one who submits has left to wait, if that is less than the usual. */
  submit(item: Item, waitMs?: number): Promise<Result>;
  /** Resolves once nothing waits and nothing is under way. */
  drain(): Promise<void>;
}

/** The queue is full. Nothing was written. */
export class BacklogFullError extends Error {
  override name = 'BacklogFullError';
}

/** No answer in time, or errors until the last try. */
export class BatchUnansweredError extends Error {
  override name = 'BatchUnansweredError';
  /** Whether it may have been written all the same. False: it never left the queue. */
  readonly inDoubt: boolean;

  constructor(message: string, options: ErrorOptions & { readonly inDoubt: boolean }) {
    super(message, options);
    this.inDoubt = options.inDoubt;
  }
}

/** The item itself can't be written. Its neighbours were. */
export class UnwritableItemError extends Error {
  override name = 'UnwritableItemError';
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly deadline: number;
  /** Answered already, by its deadline: no longer worth writing. */
  settled: boolean;
  launched: boolean;
  resolve(result: Result): void;
  reject(error: Error): void;
}

/**
 * Gathers items for a moment and while earlier batches are under way, and writes them together: alone when it is quiet,
 * in hundreds in a flood. A batch whose fate is unknown is written again with the same items before anyone is answered; a batch with an
 * item that can't be written is halved until that one is alone.
 */
export function createBatcher<Item, Result>(settings: BatcherSettings<Item, Result>): Batcher<Item, Result> {
  const waiting: Entry<Item, Result>[] = [];
  const idle: (() => void)[] = [];
  let flights = 0;
  let backlog = 0;
  let scheduled = false;
  let launchedAt = Number.NEGATIVE_INFINITY;

  return {
    submit(item, waitMs = settings.waitMsMax) {
      if (backlog >= settings.backlogMax) return Promise.reject(new BacklogFullError());
      return new Promise((resolve, reject) => {
        backlog += 1;
        waiting.push(entryOf({ item, waitMs }, { resolve, reject }));
        schedule();
      });
    },
    drain() {
      return flights === 0 && waiting.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => void idle.push(resolve));
    },
  };

  function entryOf(
    { item, waitMs }: { item: Item; waitMs: number },
    promise: Pick<Entry<Item, Result>, 'resolve' | 'reject'>,
  ): Entry<Item, Result> {
    const late = () => entry.reject(new BatchUnansweredError('late', { inDoubt: entry.launched }));
    const timer = setTimeout(late, waitMs);
    const entry: Entry<Item, Result> = {
      item,
      deadline: Date.now() + waitMs,
      settled: false,
      launched: false,
      resolve: (result) => settle(() => promise.resolve(result)),
      reject: (error) => settle(() => promise.reject(error)),
    };
    return entry;

    function settle(answer: () => void): void {
      if (entry.settled) return;
      entry.settled = true;
      backlog -= 1;
      clearTimeout(timer);
      answer();
    }
  }

  /** After the current turn of the event loop at least, so that a burst that arrives in one turn goes in one batch. */
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    const waitMs = launchedAt + settings.everyMs - performance.now();
    if (waitMs > 0) setTimeout(launch, waitMs);
    else setImmediate(launch);
  }

  function launch(): void {
    scheduled = false;
    while (flights < settings.flightsMax && waiting.length > 0) {
      const entries = waiting.splice(0, settings.batchMax).filter((entry) => !entry.settled);
      if (entries.length === 0) continue;
      for (const entry of entries) entry.launched = true;
      flights += 1;
      launchedAt = performance.now();
      settings.onBatch?.(entries.length);
      void writeOrHalve(entries, settings).finally(land);
    }
    if (flights === 0) idle.splice(0).forEach((resolve) => resolve());
  }

  function land(): void {
    flights -= 1;
    schedule();
  }
}

/** Never rejects: every entry gets its answer. */
async function writeOrHalve<Item, Result>(
  entries: readonly Entry<Item, Result>[],
  settings: BatcherSettings<Item, Result>,
): Promise<void> {
  try {
    const results = await writeAgain(entries, settings);
    for (const [index, entry] of entries.entries()) answer(entry, results[index]);
  } catch (error) {
    if (!settings.isFaultOfItem(error)) {
      for (const entry of entries)
        entry.reject(new BatchUnansweredError('unanswered', { cause: error, inDoubt: true }));
    } else if (entries.length === 1) {
      entries[0]?.reject(new UnwritableItemError('unwritable', { cause: error }));
    } else {
      const half = Math.ceil(entries.length / 2);
      await writeOrHalve(entries.slice(0, half), settings);
      await writeOrHalve(entries.slice(half), settings);
    }
  }
}

function answer<Item, Result>(entry: Entry<Item, Result>, result: Result | undefined): void {
  if (result === undefined) entry.reject(new BatchUnansweredError('no result', { inDoubt: true }));
  else entry.resolve(result);
}

const retryDelayMs = 50;

async function writeAgain<Item, Result>(
  entries: readonly Entry<Item, Result>[],
  settings: BatcherSettings<Item, Result>,
): Promise<readonly Result[]> {
  const items = entries.map(({ item }) => item);
  for (let tries = 1; ; tries += 1) {
    try {
      return await settings.write(items);
    } catch (error) {
      const delayMs = retryDelayMs * 2 ** (tries - 1);
      const late = entries.every(({ deadline }) => deadline <= Date.now() + delayMs);
      if (settings.isFaultOfItem(error) || late || tries >= settings.triesMax) throw error;
      await sleep(delayMs);
    }
  }
}
