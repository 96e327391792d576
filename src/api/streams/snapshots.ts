import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { createAlarm } from './alarm.ts';
import type { VideoObject } from '../reading/video-object.ts';

/** A job as it is told to its owner, and the number of its last event. */
export interface Snapshot {
  readonly video: VideoObject;
  /** Of the video: equal where nothing is new. */
  readonly digest: string;
  readonly eventSeq: number;
}

/**
 * Reads jobs in one statement, and the places in line of up to `placesMax` of them. What is in line beyond that is left
 * out, as `later`; what there is not is in neither.
 */
export type ReadSnapshot = (ids: readonly JobId[], placesMax: number) => Promise<SnapshotsRead>;

export interface SnapshotsRead {
  readonly found: ReadonlyMap<JobId, Snapshot>;
  readonly later: ReadonlySet<JobId>;
}

/** Reads jobs again and again for those who follow them, at a cost that is bounded however many they are. */
export interface Snapshots {
  add(id: JobId): void;
  remove(id: JobId): void;
  /** Something has happened to it: its turn is now. */
  ask(id: JobId): void;
  stop(): void;
}

/** @param tell undefined: there is no such job */
export function createSnapshots(
  read: ReadSnapshot,
  tell: (id: JobId, snapshot: Snapshot | undefined) => void,
): Snapshots {
  /** All that are followed, by when they were read, the oldest first. */
  const readAt = new Map<JobId, number>();
  const asked = new Set<JobId>();
  /** Asked for, and in line: their places are read in turn. */
  const placesDue = new Set<JobId>();
  const alarm = createAlarm(() => void round());
  let unaskedAt = 0;
  let reading = false;

  return {
    add(id) {
      // Whoever joins has just read it.
      readAt.set(id, performance.now());
      schedule();
    },
    remove(id) {
      readAt.delete(id);
      asked.delete(id);
      placesDue.delete(id);
    },
    ask(id) {
      if (!readAt.has(id)) return;
      asked.add(id);
      schedule();
    },
    stop() {
      readAt.clear();
      asked.clear();
      alarm.stop();
    },
  };

  function schedule(): void {
    if (reading || readAt.size === 0) return;
    alarm.set(asked.size > 0 ? limits.snapshotsGapMs : limits.snapshotsEveryMs);
  }

  async function round(): Promise<void> {
    reading = true;
    const ids = choose();
    try {
      if (ids.length > 0) await readAll(ids);
    } catch {
      // The database is away: each comes again when its turn does.
      for (const id of ids) if (readAt.has(id)) placesDue.add(id);
    }
    reading = false;
    schedule();
  }

  function choose(): readonly JobId[] {
    const ids = [...take(asked, limits.snapshotsReadMax)];
    const now = performance.now();
    if (now - unaskedAt < limits.snapshotsEveryMs) return ids;
    unaskedAt = now;
    const unasked = take(placesDue, limits.snapshotsUnaskedMax);
    for (const [id, at] of readAt) {
      if (unasked.length >= limits.snapshotsUnaskedMax || now - at < limits.snapshotMsFresh) break;
      unasked.push(id);
    }
    return [...new Set([...ids, ...unasked])];
  }

  async function readAll(ids: readonly JobId[]): Promise<void> {
    for (const id of ids) {
      // The last again, in the order of reading.
      if (readAt.delete(id)) readAt.set(id, performance.now());
    }
    const { found, later } = await read(ids, limits.snapshotPlacesMax);
    for (const id of ids) {
      if (later.has(id)) placesDue.add(id);
      else tell(id, found.get(id));
    }
  }
}

function take(ids: Set<JobId>, count: number): JobId[] {
  const taken: JobId[] = [];
  for (const id of ids) {
    if (taken.length >= count) break;
    taken.push(id);
    ids.delete(id);
  }
  return taken;
}
