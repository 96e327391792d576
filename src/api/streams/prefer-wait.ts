import type { Request, Response } from 'express';
import { isFinal, type OwnedJob } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { JobTopics } from './job-topics.ts';
import { Problem } from '../problems/problem.ts';
import type { Streams } from './streams.ts';

/** The seconds for which the caller would rather wait (RFC 7240). Zero: not at all, or nobody can read it. A HEAD has nothing to wait for. */
export function preferredWaitSeconds(request: Request): number {
  if (request.method !== 'GET') return 0;
  const seconds = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(request.get('prefer') ?? '')?.[1] ?? '0';
  return Math.min(Number(seconds), limits.preferWaitSecondsMax);
}

/** A wait for the end of one job, begun before the job is read, so that its end is not missed in between. */
export interface EndWait {
  /** Resolves when the job has ended, when its time is up, or when the caller or this process goes. */
  over(): Promise<void>;
  leave(): void;
}

export interface EndWaitDeps {
  readonly topics: JobTopics;
  readonly streams: Streams;
}

export interface EndWish {
  readonly owned: OwnedJob;
  readonly seconds: number;
  readonly response: Response;
}

/** Undefined: as many wait, or follow streams, as may, or this process is about to go. A preference is no right, so the answer comes at once. */
export async function beginEndWait(
  { topics, streams }: EndWaitDeps,
  { owned, seconds, response }: EndWish,
): Promise<EndWait | undefined> {
  // It has no ears for a signal that was given before.
  const place = streams.closing.aborted ? undefined : placeOf(streams, owned);
  if (place === undefined) return undefined;
  const { promise, resolve } = withResolver();
  const timer = setTimeout(resolve, seconds * 1_000);
  streams.closing.addEventListener('abort', resolve);
  response.once('close', resolve);
  if (response.destroyed) resolve();
  const release = (): void => {
    clearTimeout(timer);
    streams.closing.removeEventListener('abort', resolve);
    place.leave();
  };
  try {
    const joined = await topics.join(owned, {
      onEvent: ({ kind }) => void (kind.startsWith('job.') && kind !== 'job.queued' && resolve()),
      onSnapshot: ({ video }) => void (isFinal(video.status) && resolve()),
      onGone: resolve,
    });
    return {
      over: () => promise,
      leave() {
        release();
        joined.leave();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

function placeOf(streams: Streams, { tenant, id }: OwnedJob) {
  try {
    return streams.take({ tenant, jobId: id });
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

function withResolver(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
