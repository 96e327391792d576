import { readLine, type StoredLine } from '../../db/scheduler/line.ts';
import type { Database } from '../../db/pool.ts';
import { limits } from '../../domain/limits/limits.ts';
import { within } from '../database-wait.ts';

/** The lines of pools as they were a moment ago, read when somebody asks for a place in them. */
export interface LineViews {
  /** Undefined: nothing is known of that pool. Never rejects. */
  read(pool: string): Promise<StoredLine | undefined>;
  /** What is known already, for whoever does not wait; one that is older than this is read anew for the next. */
  peek(pool: string, ageMsMax: number): StoredLine | undefined;
}

interface View {
  line: StoredLine | undefined;
  readAt: number;
  /** From then on it is read anew, while this one is still told. */
  freshUntil: number;
  /** From then on whoever asks waits for the new one. */
  goodUntil: number;
  reading: Promise<void> | undefined;
}

const never = Number.NEGATIVE_INFINITY;

/**
 * A view is kept for long enough that reading it takes only a small share of the time, however many flows wait: what is
 * granted meanwhile `positionOf` knows how to subtract.
 */
export function createLineViews(pool: Database, clock: () => number): LineViews {
  const views = new Map<string, View>();
  return {
    async read(id) {
      const view = viewOf(id);
      if (clock() >= view.freshUntil) view.reading ??= refresh(id, view);
      // Whoever asked for a job is not to fail for its place.
      if (clock() >= view.goodUntil)
        await within(view.reading ?? Promise.resolve(), limits.lineWaitMsMax).catch(() => undefined);
      return view.line;
    },
    peek(id, ageMsMax) {
      const view = viewOf(id);
      if (clock() >= Math.max(view.freshUntil, view.readAt + ageMsMax)) view.reading ??= refresh(id, view);
      return view.line;
    },
  };

  function viewOf(id: string): View {
    const known = views.get(id);
    if (known !== undefined) return known;
    const view: View = { line: undefined, readAt: never, freshUntil: never, goodUntil: never, reading: undefined };
    views.set(id, view);
    return view;
  }

  /** A database that does not answer is for the rest of the request to find out: an older view will do here. */
  async function refresh(id: string, view: View): Promise<void> {
    const startedAt = performance.now();
    try {
      view.line = await within(readLine(pool, id), limits.lineReadMsMax);
    } catch {
      // Kept as it was, and read again when it is due.
    } finally {
      const tookMs = performance.now() - startedAt;
      const keptMs = Math.min(Math.max(tookMs / limits.lineViewTimeShare, limits.lineViewMsMin), limits.lineViewMsMax);
      view.readAt = clock();
      view.freshUntil = clock() + keptMs;
      view.goodUntil = clock() + 2 * keptMs;
      view.reading = undefined;
    }
  }
}
