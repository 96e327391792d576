import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { vendorInput } from '../catalogue/vendor-input.ts';
import type { Activities, SubmitOrder } from '../contracts/activities.ts';
import {
  answerAttempt,
  beginAttempt,
  type BeginAnswer,
  endAttempt,
  findAttemptToSubmit,
  type JobToSubmit,
} from '../db/ledger/attempts.ts';
import { failureOf } from '../domain/failure.ts';
import { type RouteTarget, runBudgetMs } from '../domain/route.ts';
import type { SubmitAnswer } from '../domain/story.ts';
import type { StartOrder, StartOutcome } from '../providers/provider.ts';
import type { ActivityDeps } from './deps.ts';
import { handOver } from './hand-over.ts';
import { createInputPictures, type ReadInputPicture } from './input-picture.ts';

/** Well within the heartbeat timeout, so that a killed worker is noticed and a busy one is not taken for dead. */
const heartbeatEveryMs = 4_000;
/** How long the answer of a paid POST is worth keeping in hand while Postgres is away. */
const recordForMs = 20_000;

/**
 * The moments between which a process may be killed in the middle of a submit: nothing is written; the ledger row is; the
 * POST is on its way; its answer is read; the answer is recorded.
 */
export type SubmitPoint = 'called' | 'begun' | 'posting' | 'answered' | 'recorded';

export interface SubmitHooks {
  /** For tests that kill: told of each moment, and waited for. */
  readonly onPoint?: (point: SubmitPoint) => Promise<void>;
}

/** The one place that spends money. The ledger row comes first; whoever finds it written does not POST. */
export function createSubmitAttempt(deps: ActivityDeps & SubmitHooks): Activities['submitAttempt'] {
  const submitDeps = { ...deps, readInputPicture: createInputPictures(deps) };
  return async function submitAttempt(order) {
    const heartbeat = setInterval(() => Context.current().heartbeat(), heartbeatEveryMs);
    try {
      return await submit(submitDeps, order);
    } finally {
      clearInterval(heartbeat);
    }
  };
}

interface SubmitDeps extends ActivityDeps, SubmitHooks {
  readonly readInputPicture: ReadInputPicture;
}

async function submit(deps: SubmitDeps, order: SubmitOrder): Promise<SubmitAnswer> {
  const job = await findAttemptToSubmit(deps.db, order.jobId, order.attempt);
  const target = job?.route[order.target];
  if (!job?.request || target === undefined) return { kind: 'job_final' };

  // Before the ledger row: whoever dies here has sent nothing, and the next one may begin again.
  const picture = await handOver(deps, target, await deps.readInputPicture(order.jobId, job));
  const { token, seed } = job;
  await deps.onPoint?.('called');
  const begun = await beginAttempt(deps.db, {
    ...order,
    targetName: target.name,
    provider: target.provider,
    token,
    seed: job.request.seed === undefined ? seed : null,
    runBudgetMs: runBudgetMs(job.route),
  });
  deps.onEvents?.();
  if (begun.verdict !== 'go') return answerOf(begun);

  deps.onSubmit?.(target.name);
  await deps.onPoint?.('begun');
  const posted = { order, job, target, token, seed, imageUrl: picture.url };
  const [outcome] = await Promise.all([picture.refusal ?? post(deps, posted), deps.onPoint?.('posting')]);
  await deps.onPoint?.('answered');
  deps.log.info({ job: order.jobId, attempt: order.attempt, target: target.name, outcome: outcome.kind }, 'submitted');
  const answer = await recorded(() => record(deps, order, outcome));
  deps.onEvents?.();
  await deps.onPoint?.('recorded');
  return answer;
}

/** What the ledger says of an attempt that was begun before: its state is the answer. */
function answerOf(begun: Exclude<BeginAnswer, { verdict: 'go' }>): SubmitAnswer {
  switch (begun.verdict) {
    case 'submitting':
      return { kind: 'unknown' };
    case 'refused':
      return { kind: 'refused', failure: begun.failure };
    case 'accepted':
    case 'unknown':
    case 'job_final':
    case 'cancel_requested':
    case 'permit_lost':
      return { kind: begun.verdict };
  }
}

interface Post {
  readonly order: SubmitOrder;
  readonly job: JobToSubmit;
  readonly target: RouteTarget;
  readonly token: string;
  readonly seed: number;
  readonly imageUrl: string | undefined;
}

/** One HTTP attempt, never aborted: what happened to an aborted POST nobody knows. */
async function post(deps: ActivityDeps, posted: Post): Promise<StartOutcome> {
  const { order, job, target, token, seed, imageUrl } = posted;
  const provider = deps.providers.get(target.provider);
  const entry = deps.catalogue.targets[target.name];
  const mode = imageUrl === undefined ? entry?.text : entry?.image;
  if (!provider || !mode || !job.request)
    return { kind: 'refused', failure: failureOf('invalid_input', { retry: 'elsewhere' }) };

  return await provider.start({
    model: target.vendorModel,
    input: vendorInput(mode, job.request, { seed, ...(imageUrl === undefined ? {} : { imageUrl }) }),
    deadlineMs: target.longestMs,
    ...callbackUrl(deps, { order, target, token }),
  });
}

function callbackUrl(
  { publicUrl }: ActivityDeps,
  { order, target, token }: Pick<Post, 'order' | 'target' | 'token'>,
): Pick<StartOrder, 'callbackUrl'> {
  if (publicUrl === undefined || !target.callbacks) return {};
  return { callbackUrl: `${publicUrl}/v1/callbacks/${target.provider}/${order.jobId}.${order.attempt}/${token}` };
}

async function record(
  deps: ActivityDeps,
  { jobId, attempt }: SubmitOrder,
  outcome: StartOutcome,
): Promise<SubmitAnswer> {
  switch (outcome.kind) {
    case 'accepted':
      await answerAttempt(deps.db, { jobId, attempt, state: 'accepted', operation: outcome.operation });
      // In the history as well: what a restored database may have lost again.
      return { kind: 'accepted', operation: outcome.operation };
    case 'unknown':
      await answerAttempt(deps.db, { jobId, attempt, state: 'unknown', operation: null, failure: outcome.failure });
      return { kind: 'unknown' };
    case 'refused':
      await endAttempt(deps.db, { jobId, attempt, evidence: 'refusal', outcome: 'failed', failure: outcome.failure });
      return { kind: 'refused', failure: outcome.failure };
  }
}

/** The POST can't be repeated but the note of it can. After that the attempt is unknown, and a callback may adopt it. */
async function recorded(write: () => Promise<SubmitAnswer>): Promise<SubmitAnswer> {
  const giveUpAt = Date.now() + recordForMs;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (Date.now() >= giveUpAt) throw error;
      await delay(500);
    }
  }
}
