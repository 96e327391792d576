import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSnapshots, type Snapshot, type SnapshotsRead } from '../../../src/api/streams/snapshots.ts';
import { limits } from '../../../src/domain/limits/limits.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody looks into it here
const snapshot = { digest: '' } as Snapshot;

interface Bench {
  readonly snapshots: ReturnType<typeof createSnapshots>;
  /** How many jobs were read at a time, and by how many statements for places. */
  readonly reads: (readonly string[])[];
  readonly told: string[];
  readonly gone: string[];
}

/** @param inLine jobs whose places are read */
function open(inLine: (id: string) => boolean = () => false, exists: (id: string) => boolean = () => true): Bench {
  const reads: (readonly string[])[] = [];
  const told: string[] = [];
  const gone: string[] = [];
  const read = async (ids: readonly string[], placesMax: number): Promise<SnapshotsRead> => {
    reads.push(ids);
    const later = new Set(ids.filter(inLine).slice(placesMax));
    const found = ids.filter((id) => !later.has(id) && exists(id));
    return { found: new Map(found.map((id) => [id, snapshot])), later };
  };
  const snapshots = createSnapshots(read, (id, one) => void (one === undefined ? gone : told).push(id));
  return { snapshots, reads, told, gone };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `job-${index}`);

test('without any word each is read again after two seconds, the oldest first', async () => {
  const { snapshots, told } = open();
  for (const id of names(3)) snapshots.add(id);
  await vi.advanceTimersByTimeAsync(limits.snapshotMsFresh - 50);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(2 * limits.snapshotsEveryMs);
  expect(told).toEqual(names(3));
  snapshots.stop();
});

test('however many are followed, so many are read a second', async () => {
  const { snapshots, reads, told } = open();
  for (const id of names(5_000)) snapshots.add(id);
  await vi.advanceTimersByTimeAsync(limits.snapshotMsFresh + 10_000);
  const perSecond = (limits.snapshotsUnaskedMax * 1_000) / limits.snapshotsEveryMs;
  expect(reads.flat().length).toBeLessThanOrEqual(perSecond * 10 + limits.snapshotsUnaskedMax);
  expect(reads.flat().length).toBeGreaterThan(perSecond * 8);
  // No one twice before all others.
  expect(new Set(told).size).toBe(told.length);
  snapshots.stop();
});

test('what has changed is read at once, many together', async () => {
  const { snapshots, reads, told } = open();
  for (const id of names(500)) snapshots.add(id);
  for (const id of names(250)) snapshots.ask(id);
  await vi.advanceTimersByTimeAsync(4 * limits.snapshotsGapMs);
  expect(told).toHaveLength(250);
  expect(reads.every((ids) => ids.length <= limits.snapshotsReadMax + limits.snapshotsUnaskedMax)).toBe(true);
  snapshots.stop();
});

test('those that ask again and again do not put off the reading', async () => {
  const { snapshots, told } = open();
  snapshots.add('job-0');
  for (let asked = 0; asked < 20; asked += 1) {
    snapshots.ask('job-0');
    await vi.advanceTimersByTimeAsync(limits.snapshotsGapMs / 2);
  }
  expect(told.length).toBeGreaterThan(5);
  snapshots.stop();
});

test('places in line are read a few at a time, and none is forgotten', async () => {
  const { snapshots, told } = open(() => true);
  for (const id of names(40)) snapshots.add(id);
  for (const id of names(40)) snapshots.ask(id);
  await vi.advanceTimersByTimeAsync(limits.snapshotsGapMs + 5);
  expect(told).toHaveLength(limits.snapshotPlacesMax);
  await vi.advanceTimersByTimeAsync((40 / limits.snapshotPlacesMax) * limits.snapshotsEveryMs + 200);
  expect(new Set(told).size).toBe(40);
  snapshots.stop();
});

test('one that is not there any more is told as gone, and one that has left is not read', async () => {
  const { snapshots, reads, gone } = open(undefined, (id) => id !== 'job-1');
  for (const id of names(3)) snapshots.add(id);
  snapshots.remove('job-2');
  for (const id of names(3)) snapshots.ask(id);
  await vi.advanceTimersByTimeAsync(limits.snapshotsGapMs + 5);
  expect(gone).toEqual(['job-1']);
  expect(reads).toEqual([['job-0', 'job-1']]);
  snapshots.stop();
});

test('while the database is away nobody is told anything, and afterwards everybody', async () => {
  let away = true;
  const told: string[] = [];
  const snapshots = createSnapshots(
    async (ids) => {
      if (away) throw new Error('away');
      return { found: new Map(ids.map((id) => [id, snapshot])), later: new Set() };
    },
    (id, one) => void (one !== undefined && told.push(id)),
  );
  for (const id of names(3)) snapshots.add(id);
  for (const id of names(3)) snapshots.ask(id);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toEqual([]);
  away = false;
  await vi.advanceTimersByTimeAsync(2 * limits.snapshotsEveryMs);
  expect(new Set(told)).toEqual(new Set(names(3)));
  snapshots.stop();
});
