import type { Request, RequestHandler, Response } from 'express';
import type { AskedJob, NewJob } from '../../db/accept.ts';
import { retryAfterSeconds } from '../../domain/progress.ts';
import type { VideoRequest } from '../../domain/video-request.ts';
import { type AcceptOutcome, type Acceptor, findReplay } from '../accept-jobs.ts';
import { acceptWithImage, type InputImage } from '../accept-with-image.ts';
import type { ByteBudget } from '../byte-budget.ts';
import { type CheckedImage, checkImage } from '../check-image.ts';
import { beginDatabaseWait, type DatabaseWait } from '../database-wait.ts';
import { type AppDeps, onlyTenant } from '../deps.ts';
import { idempotencyKeyOf, idempotencyOf } from '../idempotency.ts';
import type { ImageReference } from '../image-reference.ts';
import type { ApiMetrics } from '../metrics.ts';
import { newUuid } from '../new-uuid.ts';
import { type Planned, planVideo } from '../plan-video.ts';
import { present } from '../present.ts';
import { fieldProblem, Problem } from '../problem.ts';
import { readVideoBody } from '../read-body.ts';
import { parseVideoWish, type VideoWish } from '../schemas.ts';
import type { QueueGate } from '../queue-caps.ts';
import type { SpendCap } from '../spend-cap.ts';
import type { UploadKeeper } from '../upload-keeper.ts';
import { findUploadedImage } from '../uploaded-image.ts';
import { type AcceptedView, acceptedVideo } from '../video-object.ts';

export interface CreateVideoDeps {
  readonly app: AppDeps;
  readonly acceptor: Acceptor;
  readonly keeper: UploadKeeper;
  readonly spendCap: SpendCap;
  readonly queueGate: QueueGate;
  /** Of pictures in memory. */
  readonly budget: ByteBudget;
  readonly metrics: ApiMetrics;
}

/** `POST /v1/videos`: checks everything that can be checked, then answers 202 once the job is committed. */
export function createVideo(deps: CreateVideoDeps): RequestHandler {
  return async (request, response) => {
    const order = await readOrder(request);
    const accepted = await admit(deps, order).then(
      (admitted) => accept(deps, order, admitted),
      (refusal: unknown) => replayInsteadOf(refusal, deps, order),
    );
    answer(deps, response, accepted);
  };
}

/** What one request asks for, before the catalogue has chosen. */
interface Order extends AskedJob {
  readonly wish: VideoWish;
  readonly reference: CheckedReference | undefined;
  readonly wait: DatabaseWait;
}

type CheckedReference = Exclude<ImageReference, { kind: 'bytes' }> | ({ readonly kind: 'bytes' } & CheckedImage);

async function readOrder(request: Request): Promise<Order> {
  const key = idempotencyKeyOf(request);
  const body = await readVideoBody(request);
  const wish = parseVideoWish(body.fields);
  const reference = body.reference && (await checkReference(body.reference));
  const idempotency = idempotencyOf(key, wish, reference);
  return { id: `video_${newUuid()}`, tenant: onlyTenant, idempotency, wish, reference, wait: beginDatabaseWait() };
}

async function checkReference(reference: ImageReference): Promise<CheckedReference> {
  return reference.kind === 'bytes' ? { kind: 'bytes', ...(await checkImage(reference.bytes)) } : reference;
}

/** What the catalogue, the cap and the store have to say to an order. It may change, so a replay does without. */
interface Admitted {
  readonly planned: Planned;
  readonly image: InputImage | undefined;
}

async function admit(deps: CreateVideoDeps, order: Order): Promise<Admitted> {
  const planned = planVideo(deps.app, order.wish, order.reference !== undefined);
  await deps.spendCap.check(planned.route);
  await deps.queueGate.check({ tenant: order.tenant, caller: order.wish.user ?? '' });
  return { planned, image: await imageOf(deps, order) };
}

async function imageOf(deps: CreateVideoDeps, { reference, tenant, wait }: Order): Promise<InputImage | undefined> {
  if (reference?.kind !== 'upload') return reference;
  const found = await findUploadedImage(deps, { ...reference, tenant, wait });
  return { ...reference, ...found };
}

interface Accepted {
  readonly view: AcceptedView;
  readonly replayed: boolean;
}

async function accept(deps: CreateVideoDeps, order: Order, { planned, image }: Admitted): Promise<Accepted> {
  const job = newJob(order, planned);
  const outcome = await acceptWithImage(deps, { job, image, wait: order.wait });
  return viewOf(job, outcome);
}

/** The catalogue and the cap may have changed since the key's job was accepted: that it was stays true. */
async function replayInsteadOf(refusal: unknown, { app }: CreateVideoDeps, order: Order): Promise<Accepted> {
  if (!(refusal instanceof Problem) || order.idempotency === null) throw refusal;
  const replay = await order.wait.answered(findReplay(app.pool, order));
  if (replay === undefined) throw refusal;
  if (replay.kind === 'mismatch') throw keyReused();
  return { view: replay.standing, replayed: true };
}

function newJob({ id, tenant, idempotency, wish }: Order, planned: Planned): NewJob {
  const { negative_prompt, seed, audio, user, metadata, max_cost_usd, queue_ttl_seconds: queueTtlSeconds } = wish;
  const { model, seconds, size, route, requested } = planned;
  const request: VideoRequest = {
    prompt: wish.prompt,
    model,
    seconds,
    size,
    priority: wish.priority,
    ...present({ negative_prompt, seed, audio, user, metadata, max_cost_usd, requested }),
  };
  return { id, tenant, request, route, inputImage: null, inputUrl: null, queueTtlSeconds, idempotency };
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
  if (replayed) response.setHeader('idempotency-replayed', 'true');
  const body = JSON.stringify(acceptedVideo(view));
  // Not by `json`: it hashes what nobody can ask for again, and sends head and body apart.
  response.writeHead(202, {
    location: `/v1/videos/${view.id}`,
    'retry-after': String(retryAfterSeconds(typicalSeconds, Math.random())),
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
