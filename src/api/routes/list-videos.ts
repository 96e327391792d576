import type { RequestHandler } from 'express';
import { z } from 'zod';
import { listJobs } from '../../db/jobs/list-jobs.ts';
import type { JobView } from '../../db/jobs/read-jobs.ts';
import { isJobId, type JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { callerOf } from '../auth/caller.ts';
import type { Cursors, CursorScope, CursorSeal } from '../streams/cursors.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { fieldProblem } from '../problems/problem.ts';
import { parsed } from '../schemas.ts';
import { type VideoObject, videoObject } from '../reading/video-object.ts';

export interface ListVideosDeps extends Pick<AppDeps, 'pool' | 'servedBySimulator'> {
  readonly cursors: Cursors;
}

/**
 * `GET /v1/videos`: a page of the tenant's videos. Pages follow each other by the ids, which are in the order of
 * acceptance: what is accepted or deleted meanwhile neither repeats a video nor skips one.
 */
export function listVideos(deps: ListVideosDeps): RequestHandler {
  return async (request, response) => {
    const { after, limit, order, status: phase, model } = parsed(listQuerySchema, request.query);
    const { tenant } = callerOf(request);
    const wait = beginDatabaseWait();
    const seal = await wait.answered(deps.cursors.load());
    const scope: CursorScope = ['videos', tenant, order, phase ?? '', model ?? ''];
    const page = {
      tenant,
      order,
      phase,
      model,
      after: after === undefined ? undefined : placeOf({ after, seal, scope }),
    };
    // One more than is told, to know whether there is more.
    const jobs = await wait.answered(listJobs(deps.pool, { ...page, count: limit + 1 }));
    const data = jobs.slice(0, limit).map((job) => listedVideo(job, deps.servedBySimulator ?? false));
    const lastId = data.at(-1)?.id;
    const hasMore = jobs.length > limit;
    response.set('cache-control', 'private, no-cache').json({
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: lastId ?? null,
      has_more: hasMore,
      next_cursor: hasMore && lastId !== undefined ? seal.seal(scope, [lastId]) : null,
    });
  };
}

/** The place in line costs more than all the rest, so only who asks for a single video is told. */
function listedVideo(job: JobView, servedBySimulator: boolean): VideoObject {
  const video = videoObject(job, { servedBySimulator });
  return job.isWaiting ? { ...video, queue: { position: null, eta_seconds: null, reason: 'waiting_capacity' } } : video;
}

interface Asked {
  readonly after: string;
  readonly seal: CursorSeal;
  readonly scope: CursorScope;
}

/** A cursor of ours, or the id of a video, which OpenAI's client pages by: of whichever, it is only a place among ids. */
function placeOf({ after, seal, scope }: Asked): JobId {
  if (isJobId(after)) return after;
  const [id = ''] = seal.open(scope, after) ?? [];
  if (isJobId(id)) return id;
  throw fieldProblem(
    'invalid_request',
    '/after',
    'This has to be the `next_cursor` of a page with the same filters, or the id of a video.',
  );
}

const limitMessage = 'This has to be a whole number above 0.';

export const listQuerySchema = z.strictObject({
  after: z.string('This may be given once.').max(limits.cursorCharsMax, 'This is too long.').optional(),
  limit: z
    .string('This may be given once.')
    .regex(/^[1-9]\d{0,8}$/, limitMessage)
    .transform((text) => Math.min(Number(text), limits.listedMax))
    .default(limits.listedDefault),
  order: z.enum(['asc', 'desc'], 'This has to be asc or desc.').default('desc'),
  status: z
    .enum(
      ['queued', 'in_progress', 'completed', 'failed', 'cancelled'],
      'This has to be queued, in_progress, completed, failed or cancelled.',
    )
    .optional(),
  model: z.string('This may be given once.').min(1, 'This must not be empty.').max(128, 'This is too long.').optional(),
});
