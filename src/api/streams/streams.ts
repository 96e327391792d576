import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { Problem, temporaryProblem } from '../problems/problem.ts';

/** One reader's connection, whatever it speaks. */
export interface OpenStream {
  /** Says that we are there, so that nobody between us takes the connection for dead. */
  beat(): void;
  /** Since when the reader has taken nothing of what waits for it. */
  stuckSince(): number | undefined;
  /** Ends it in good order: the reader is to come back after a while, and goes on where it was. */
  sendAway(retryMs: number): void;
  /** Ends it at once. */
  destroy(): void;
  /** Whether the key that it was opened with still holds. */
  isAdmitted(): Promise<boolean>;
}

export interface StreamOwner {
  readonly tenant: string;
  /** Null: it follows all jobs of the tenant. */
  readonly jobId: JobId | null;
}

/** A place for a stream, taken before anything is read for it. */
export interface StreamPlace {
  open(stream: OpenStream): void;
  /** May be called more than once. */
  leave(): void;
}

export type StreamEnd = 'slow' | 'key' | 'shutdown';

export interface StreamSettings {
  readonly clock: () => number;
  readonly onCount: (count: number) => void;
  readonly onEnd: (reason: StreamEnd) => void;
}

/** All streams of this process: how many there may be, their beats, and their end. */
export interface Streams {
  /** Throws where there are as many as may be. */
  take(owner: StreamOwner): StreamPlace;
  /** Work that waits for a job without a stream: told when it has to end. */
  readonly closing: AbortSignal;
  /** Sends every reader away, and whoever still comes. */
  drain(): void;
}

const tickMs = 5_000;
const ticksOfBeat = limits.streamBeatEveryMs / tickMs;
const ticksOfCheck = limits.streamCheckEveryMs / tickMs;

export function createStreams({ clock, onCount, onEnd }: StreamSettings): Streams {
  /** By the tick at which each has its turn, so that not all beat at once. */
  const open = new Map<OpenStream, number>();
  const counts = new Map<string, number>();
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let tick = 0;

  return {
    closing: closing.signal,
    take(owner) {
      const names = namesOf(owner);
      refuseBeyond(names.map((name) => counts.get(name) ?? 0));
      for (const name of names) count(name, 1);
      let stream: OpenStream | undefined;
      let hasLeft = false;
      return {
        open(opened) {
          stream = opened;
          open.set(opened, tick % ticksOfCheck);
          timer ??= setInterval(onTick, tickMs).unref();
          // It was on its way when the others were sent away.
          if (closing.signal.aborted) sendAway(opened);
        },
        leave() {
          if (hasLeft) return;
          hasLeft = true;
          for (const name of names) count(name, -1);
          if (stream !== undefined) open.delete(stream);
        },
      };
    },
    drain() {
      closing.abort();
      clearInterval(timer);
      for (const stream of open.keys()) sendAway(stream);
    },
  };

  function count(name: string, change: 1 | -1): void {
    const now = (counts.get(name) ?? 0) + change;
    if (now === 0) counts.delete(name);
    else counts.set(name, now);
    if (name === 'all') onCount(now);
  }

  function sendAway(stream: OpenStream): void {
    onEnd('shutdown');
    stream.sendAway(retryMs());
  }

  function onTick(): void {
    tick += 1;
    for (const [stream, turn] of open) {
      const stuckSince = stream.stuckSince();
      if (stuckSince !== undefined && clock() - stuckSince > limits.streamUnsentMsMax) drop(stream);
      else if (tick % ticksOfBeat === turn % ticksOfBeat) beat(stream, tick % ticksOfCheck === turn);
    }
  }

  function beat(stream: OpenStream, isCheckDue: boolean): void {
    stream.beat();
    if (isCheckDue) void endUnlessAdmitted(stream);
  }

  function drop(stream: OpenStream): void {
    onEnd('slow');
    stream.destroy();
  }

  async function endUnlessAdmitted(stream: OpenStream): Promise<void> {
    if (await stream.isAdmitted()) return;
    onEnd('key');
    stream.sendAway(retryMs());
  }
}

/** What a stream counts towards. Of a tenant's job: whoever names another's, which is not there, takes no place of it. */
function namesOf({ tenant, jobId }: StreamOwner): readonly string[] {
  return ['all', `tenant ${tenant}`, ...(jobId === null ? [] : [`job ${tenant} ${jobId}`])];
}

/** Spread, so that those who were sent away together do not come back together. */
export function retryMs(): number {
  return Math.round(limits.streamRetryMsMin + Math.random() * (limits.streamRetryMsMax - limits.streamRetryMsMin));
}

function refuseBeyond([all = 0, ofTenant = 0, ofJob = 0]: readonly number[]): void {
  if (all >= limits.streamsMax) throw temporaryProblem('overloaded');
  const ofWhat =
    ofTenant >= limits.streamsOfTenantMax
      ? 'of the tenant'
      : ofJob >= limits.streamsOfJobMax
        ? 'of the job'
        : undefined;
  if (ofWhat === undefined) return;
  throw new Problem('too_many_streams', {
    detail: `As many streams ${ofWhat} are open as may be. Close one that is not needed, and come back.`,
    headers: { 'retry-after': '30' },
  });
}
