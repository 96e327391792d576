import type { Request, RequestHandler, Response } from 'express';
import { v7 as uuidv7 } from 'uuid';
import type { PlanResult, Wish } from '../../catalogue/plan.ts';
import type { NewJob } from '../../db/accept.ts';
import { retryAfterSeconds } from '../../domain/progress.ts';
import type { VideoRequest } from '../../domain/video-request.ts';
import type { StoredImage } from '../../storage/image-store.ts';
import type { Acceptor, AcceptOutcome } from '../accept-jobs.ts';
import { checkImage } from '../check-image.ts';
import { type AppDeps, onlyTenant } from '../deps.ts';
import { idempotencyKeyOf, idempotencyOf } from '../idempotency.ts';
import type { ApiMetrics } from '../metrics.ts';
import { fieldProblem, Problem } from '../problem.ts';
import { readVideoBody } from '../read-body.ts';
import { parseVideoWish, type VideoWish } from '../schemas.ts';
import type { CheckSpendCap } from '../spend-cap.ts';
import { type AcceptedView, acceptedVideo } from '../video-object.ts';

export interface CreateVideoDeps {
  readonly app: AppDeps;
  readonly acceptor: Acceptor;
  readonly checkSpendCap: CheckSpendCap;
  readonly metrics: ApiMetrics;
}

type Planned = Extract<PlanResult, { kind: 'planned' }>;

/** `POST /v1/videos`: checks everything that can be checked, then answers 202 once the job is committed. */
export function createVideo(deps: CreateVideoDeps): RequestHandler {
  return async (request, response) => {
    const key = idempotencyKeyOf(request);
    const { wish, image } = await readWish(request);
    const planned = planFor(deps.app, wish, image);
    await deps.checkSpendCap(planned.route);
    const job = newJob({ wish, planned, hasImage: image !== undefined, idempotency: idempotencyOf(key, wish, image) });
    const outcome = await acceptWithImage(deps, job, image);
    answer(deps, response, viewOf(job, outcome));
  };
}

async function readWish(request: Request): Promise<{ wish: VideoWish; image: StoredImage | undefined }> {
  const body = await readVideoBody(request);
  const wish = parseVideoWish(body.fields);
  return { wish, image: body.image && (await checkImage(body.image)) };
}

function planFor(app: AppDeps, wish: VideoWish, image: StoredImage | undefined): Planned {
  const result = app.plan(
    catalogueWish(wish, { model: wish.model ?? app.defaultModel, hasImage: image !== undefined }),
  );
  if (result.kind === 'planned') return result;
  const { pointer, message, allowed, code } = result;
  const error = { pointer, message, ...(allowed && { allowed }) };
  const detail = allowed ? `${message} Allowed: ${allowed.join(', ')}.` : message;
  throw new Problem('value_not_supported', { detail, code, errors: [error] });
}

function catalogueWish(wish: VideoWish, chosen: { model: string; hasImage: boolean }): Wish {
  const { seconds, size, seed, negative_prompt, audio } = wish;
  return {
    request: { ...chosen, ...present({ seconds, size, seed, negative_prompt, audio }) },
    fallback: wish.fallback,
    ...present({ patienceSeconds: wish.patience_seconds, maxCostUsd: wish.max_cost_usd }),
  };
}

interface JobParts {
  readonly wish: VideoWish;
  readonly planned: Planned;
  readonly hasImage: boolean;
  readonly idempotency: NewJob['idempotency'];
}

function newJob({ wish, planned, hasImage, idempotency }: JobParts): NewJob {
  const { negative_prompt, seed, audio, user, metadata, max_cost_usd } = wish;
  const request: VideoRequest = {
    prompt: wish.prompt,
    model: planned.model,
    seconds: planned.seconds,
    size: planned.size,
    priority: wish.priority,
    has_image: hasImage,
    ...present({ negative_prompt, seed, audio, user, metadata, max_cost_usd }),
  };
  const id = `video_${uuidv7()}`;
  const { route } = planned;
  return {
    id,
    tenant: onlyTenant,
    request,
    route,
    inputImage: null,
    queueTtlSeconds: wish.queue_ttl_seconds,
    idempotency,
  };
}

/** The picture is kept before the job is, because an accepted job has its picture. Where no job came of it, it goes. */
async function acceptWithImage(
  deps: CreateVideoDeps,
  job: NewJob,
  image: StoredImage | undefined,
): Promise<AcceptOutcome> {
  if (image === undefined) return await deps.acceptor.submit(job);
  const { images } = deps.app;
  const inputImage = await images.save(job.id, image);
  const outcome = await deps.acceptor.submit({ ...job, inputImage });
  if (outcome.kind !== 'accepted') await images.remove(inputImage);
  return outcome;
}

interface Accepted {
  readonly view: AcceptedView;
  readonly replayed: boolean;
}

function viewOf(job: NewJob, outcome: AcceptOutcome): Accepted {
  if (outcome.kind === 'mismatch') throw keyReused();
  if (outcome.kind === 'replayed') return { view: outcome.standing, replayed: true };
  const { id, request, route } = job;
  return { view: { id, acceptedAt: outcome.acceptedAt, model: request.model, request, route }, replayed: false };
}

function keyReused(): Problem {
  const message = 'The key was used before, for a request that asked for something else.';
  return fieldProblem('idempotency_key_reused', '/Idempotency-Key', message);
}

function answer({ app, metrics }: CreateVideoDeps, response: Response, { view, replayed }: Accepted): void {
  if (!replayed) app.notifyAccepted();
  metrics.accepts.inc({ replayed: String(replayed) });
  const typicalSeconds = (view.route[0]?.typicalMs ?? 0) / 1_000;
  response.set({
    location: `/v1/videos/${view.id}`,
    'retry-after': String(retryAfterSeconds(typicalSeconds, Math.random())),
  });
  if (replayed) response.set('idempotency-replayed', 'true');
  response.status(202).json(acceptedVideo(view));
}

type Present<Values> = { [Name in keyof Values]?: Exclude<Values[Name], undefined> };

/** The members that are there: a member that is absent is not one that is undefined. */
function present<Values extends object>(values: Values): Present<Values>;
function present(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
