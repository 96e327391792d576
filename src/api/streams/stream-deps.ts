import type { IncomingMessage } from 'node:http';
import { findUrlSecret } from '../../db/tenants/signing-keys.ts';
import type { Database } from '../../db/pool.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { createCursors, type Cursors } from './cursors.ts';
import { findVideo, type FindVideoDeps } from '../reading/find-video.ts';
import type { FollowJobDeps } from './follow-job.ts';
import { createJobTopics } from './job-topics.ts';
import type { ApiMetrics } from '../metrics.ts';
import { Problem } from '../problems/problem.ts';
import { problemKinds } from '../problems/problem-kinds.ts';
import { createSnapshotReader } from './read-snapshots.ts';
import type { SseSettings } from './sse.ts';
import { createStreams, type Streams } from './streams.ts';
import { createTail, type Tail } from './tail.ts';

/** What follows jobs and tenants, shared by everything that tells of them. */
export interface StreamDeps extends FollowJobDeps {
  readonly pool: Database;
  readonly tail: Tail;
  readonly streams: Streams;
  readonly cursors: Cursors;
  /** What the connection of a reader needs to know of us. */
  connectionOf(request: IncomingMessage): SseSettings;
}

export interface StreamDepsSettings {
  readonly find: FindVideoDeps;
  readonly clock: () => number;
  readonly authenticator: Authenticator;
  readonly metrics: Pick<ApiMetrics, 'streams' | 'streamEnds'>;
}

export function createStreamDeps({ find, clock, authenticator, metrics }: StreamDepsSettings): StreamDeps {
  const { pool } = find;
  const tail = createTail(pool);
  const onEnd = (reason: string): void => metrics.streamEnds.inc({ reason });
  return {
    pool,
    tail,
    topics: createJobTopics(tail, createSnapshotReader(find)),
    streams: createStreams({ clock, onCount: (count) => metrics.streams.set(count), onEnd }),
    cursors: createCursors(() => findUrlSecret(pool)),
    findVideo: (owned, wait) => findVideo(find, { owned, wait }),
    connectionOf: (request) => ({
      clock,
      isAdmitted: () => isAdmitted(authenticator, request),
      onSlow: () => onEnd('slow'),
    }),
  };
}

/** Only a word against it ends a stream: a database that is away says nothing. */
async function isAdmitted(authenticator: Authenticator, { method = 'GET', url = '', headers }: IncomingMessage) {
  try {
    await authenticator.admit({ method, url, headers });
    return true;
  } catch (error) {
    return !(error instanceof Problem) || problemKinds[error.kind].status >= 500;
  }
}
