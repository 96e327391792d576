import { limits } from '../../domain/limits/limits.ts';

/** Reads single things, those of many requests in one statement. */
export interface BatchReader<Asked, Found> {
  /** Undefined: there is no such thing. Never older than the call. */
  read(asked: Asked): Promise<Found | undefined>;
}

export interface BatchReaderSettings<Asked, Found> {
  readonly keyOf: (asked: Asked) => string;
  /** What there is, by its key. Asked for each thing once, however many requests want it. */
  readonly readMany: (asked: readonly Asked[]) => Promise<ReadonlyMap<string, Found>>;
}

interface Waiting<Asked, Found> {
  readonly asked: Asked;
  readonly resolve: (found: Found | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A request that comes alone is read at once. Those that come while statements are under way wait for one of them to end,
 * and are read together: the more there is to do, the less each costs.
 */
export function createBatchReader<Asked, Found>(
  settings: BatchReaderSettings<Asked, Found>,
): BatchReader<Asked, Found> {
  const waiting: Waiting<Asked, Found>[] = [];
  let flights = 0;
  let isDue = false;

  return {
    read: (asked) =>
      new Promise((resolve, reject) => {
        waiting.push({ asked, resolve, reject });
        depart();
      }),
  };

  /** In the next turn of the loop, so that what arrived in this one goes along. */
  function depart(): void {
    if (isDue || waiting.length === 0 || flights >= limits.batchReadFlightsMax) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      flights += 1;
      void fly(waiting.splice(0, limits.batchReadMax)).finally(() => {
        flights -= 1;
        depart();
      });
      depart();
    });
  }

  async function fly(batch: readonly Waiting<Asked, Found>[]): Promise<void> {
    const byKey = new Map(batch.map(({ asked }) => [settings.keyOf(asked), asked]));
    try {
      const found = await settings.readMany([...byKey.values()]);
      for (const { asked, resolve } of batch) resolve(found.get(settings.keyOf(asked)));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
