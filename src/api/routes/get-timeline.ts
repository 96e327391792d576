import type { RequestHandler } from 'express';
import { type AttemptView, listAttempts, listEvents } from '../../db/jobs/read-jobs.ts';
import { findStuckJobs, type StuckJob } from '../../db/stuck/stuck-jobs.ts';
import type { JobId } from '../../domain/job.ts';
import { sentenceOfCause } from '../../domain/stuck-advice.ts';
import { beginDatabaseWait, within } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { findOwnJob } from '../reading/find-video.ts';
import { isObject } from '../input/read-json.ts';
import { ownedJobOf } from '../job-path.ts';
import { usdOf } from '../reading/video-object.ts';

/** Milliseconds that the workflow has to tell its own view. Without it the answer is complete all the same. */
const queryMsMax = 2_000;

/** `GET /v1/videos/{id}/timeline`: the story of a job, from its events and the ledger. */
export function getTimeline(deps: AppDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const wait = beginDatabaseWait();
    const job = await findOwnJob(deps, { owned, wait });
    const [events, attempts, [stuck], workflow] = await Promise.all([
      wait.answered(listEvents(deps.pool, owned)),
      wait.answered(listAttempts(deps.pool, owned)),
      wait.answered(findStuckJobs(deps.pool, stuckQuery(deps, job.id))),
      job.dispatched ? askWorkflow(deps, job.id) : null,
    ]);
    response.set('cache-control', 'private, no-cache').json({
      id: job.id,
      object: 'video.timeline',
      status: job.phase,
      stuck: stuck === undefined ? null : stuckObject(stuck),
      events,
      attempts: attempts.map((attempt) => attemptObject(attempt, deps.servedBySimulator ?? false)),
      workflow,
    });
  };
}

const stuckAfterMsDefault = 300_000;

function stuckQuery({ stuckAfterMs = stuckAfterMsDefault }: AppDeps, jobId: JobId) {
  return { jobId, stuckAfterMs, limit: 1 };
}

/** Why, and since when. What is to be done about it is for operators. */
function stuckObject({ stuck: { cause, since, attempt } }: StuckJob) {
  return { cause, since: new Date(since), sentence: sentenceOfCause({ cause, attempt }) };
}

async function askWorkflow({ queryTimeline, logger }: AppDeps, jobId: JobId): Promise<unknown> {
  if (queryTimeline === undefined) return null;
  try {
    return withoutWish(await within(queryTimeline(jobId), queryMsMax)) ?? null;
  } catch (error) {
    logger.debug({ jobId, err: error }, 'the workflow did not tell its timeline');
    return null;
  }
}

/** A worker of another release may tell it: what an operator wished, under an id that says who it was. */
function withoutWish(told: unknown): unknown {
  if (!isObject(told)) return told;
  const { wish: _wish, ...others } = told;
  return others;
}

function attemptObject(attempt: AttemptView, bySimulator: boolean) {
  return {
    attempt: attempt.attempt,
    target: attempt.target,
    provider: bySimulator ? 'simulator' : attempt.provider,
    overlap: attempt.overlap,
    state: attempt.state,
    submitted_at: attempt.submittedAt,
    answered_at: attempt.answeredAt,
    ended_at: attempt.endedAt,
    outcome: attempt.outcome,
    evidence: attempt.evidence,
    failure_code: attempt.failure?.code ?? null,
    cost_usd: usdOf(attempt.costUsdMicros),
    possible_duplicate: attempt.possibleDuplicate,
    unknown_at: attempt.unknownAt,
    resolved_by: attempt.resolvedBy,
    resolved_at: attempt.resolvedAt,
  };
}
