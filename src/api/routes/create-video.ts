import type { RequestHandler, Response } from 'express';
import type { NewJob, StandingJob } from '../../db/jobs/accept.ts';
import { retryAfterSeconds } from '../../domain/progress.ts';
import type { VideoRequest } from '../../domain/video-request.ts';
import type { AcceptOutcome, Acceptor } from '../accept/accept-jobs.ts';
import { acceptWithImage, type InputImage } from '../accept/accept-with-image.ts';
import { budgetProblem, hasBudget } from '../accept/budget-problem.ts';
import type { ByteBudget } from '../input/byte-budget.ts';
import type { ClientTokens } from '../auth/client-token.ts';
import type { AppDeps } from '../deps.ts';
import { findEarlier } from '../accept/find-earlier.ts';
import type { ApiMetrics } from '../metrics.ts';
import { type Planned, planVideo } from '../accept/plan-video.ts';
import { present } from '../present.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';
import { type Order, readOrder } from '../accept/read-order.ts';
import type { VideoWish } from '../schemas.ts';
import type { CountedPlace } from '../accept/queue-caps.ts';
import { type LineDeps, sayStandings, standInLine } from '../accept/stand-in-line.ts';
import type { RetryInference } from '../accept/retry-inference.ts';
import type { SpendCap } from '../accept/spend-cap.ts';
import type { UploadKeeper } from '../input/upload-keeper.ts';
import { findUploadedImage } from '../input/uploaded-image.ts';
import { type AcceptedView, acceptedVideo } from '../reading/video-object.ts';
import { noWebhooks } from '../webhooks/webhook-deps.ts';
import { webhookUrlOf } from '../webhooks/webhook-request.ts';

export interface CreateVideoDeps extends LineDeps {
  readonly app: AppDeps;
  readonly acceptor: Acceptor;
  readonly keeper: UploadKeeper;
  readonly spendCap: SpendCap;
  readonly retries: RetryInference;
  /** Of pictures in memory. */
  readonly budget: ByteBudget;
  readonly metrics: ApiMetrics;
  readonly tokens: ClientTokens;
}

/** `POST /v1/videos`: checks everything that can be checked, then answers 202 once the job is committed. */
export function createVideo(deps: CreateVideoDeps): RequestHandler {
  return async (request, response) => {
    const order = await readOrder(request, deps.app.clock());
    // Before anything is accepted: an answer without its token would be another one than its replay.
    const ready = deps.tokens.ready();
    const sign = typeof ready === 'function' ? ready : await order.wait.answered(ready);
    const accepted = await admit(deps, order).then(
      (admitted) => {
        sayStandings(response, admitted.place.standings);
        return accept(deps, order, admitted);
      },
      (refusal: unknown) => replayInsteadOf(refusal, deps, order),
    );
    answer(deps, response, { ...accepted, clientToken: sign(accepted.view) });
  };
}

/** What the catalogue, the cap and the store have to say to an order. It may change, so a replay does without. */
interface Admitted {
  readonly planned: Planned;
  readonly image: InputImage | undefined;
  readonly place: CountedPlace;
  /** As the parser writes it, never as it came: others may read that differently. */
  readonly webhookUrl: string | undefined;
}

async function admit(deps: CreateVideoDeps, order: Order): Promise<Admitted> {
  const webhookUrl = webhookUrlOfWish(deps.app, order.wish);
  const pricesNeeded = hasBudget(order.caller.limits);
  const planned = planVideo(deps.app, order.wish, { hasImage: order.reference !== undefined, pricesNeeded });
  await deps.spendCap.check(planned.route);
  const { user = '', priority, queue_ttl_seconds: queueTtlSeconds } = order.wish;
  const { route } = planned;
  const place = await standInLine(deps, { caller: order.caller, user, route, priority, queueTtlSeconds });
  const image = await orGiveBack(place, imageOf(deps, order));
  return { planned, image, place, webhookUrl };
}

function webhookUrlOfWish({ webhooks = noWebhooks }: AppDeps, { webhook_url: url }: VideoWish): string | undefined {
  return url === undefined ? url : webhookUrlOf(url, { pointer: '/webhook_url', policy: webhooks.urlPolicy });
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

async function accept(deps: CreateVideoDeps, order: Order, admitted: Admitted): Promise<Accepted> {
  const { place } = admitted;
  const accepted = await orGiveBack(place, acceptOrReplay(deps, order, admitted));
  if (accepted.replayed) place.giveBack();
  return accepted;
}

/** Whoever is refused after all has no place in line. */
async function orGiveBack<Result>(place: CountedPlace, work: Promise<Result>): Promise<Result> {
  return await work.catch((error: unknown) => {
    place.giveBack();
    throw error;
  });
}

async function acceptOrReplay(deps: CreateVideoDeps, order: Order, admitted: Admitted): Promise<Accepted> {
  const { id, standing } = await deps.retries.resolve(order);
  if (standing !== undefined) return replayed(standing);
  const { image } = admitted;
  const job = { ...newJob({ ...order, id }, admitted), hasBudget: hasBudget(order.caller.limits) };
  const outcome = await acceptWithImage(deps, { job, image, wait: order.wait, isShared: order.tried !== undefined });
  return viewOf(job, outcome);
}

/** The catalogue and the cap may have changed since the key's job was accepted: that it was stays true. */
async function replayInsteadOf(refusal: unknown, deps: CreateVideoDeps, order: Order): Promise<Accepted> {
  if (!(refusal instanceof Problem)) throw refusal;
  const replay = await findEarlier(deps, { order, refusal });
  if (replay === undefined) throw refusal;
  if (replay.kind === 'mismatch') throw keyReused();
  return replayed(replay.standing);
}

/** The first answer once more, but for a job that its owner has deleted since: there is nothing to follow any more. */
function replayed(standing: StandingJob): Accepted {
  if (standing.isErased) throw new Problem('video_erased');
  return { view: standing, replayed: true };
}

function newJob({ id, tenant, idempotency, wish }: Order, { planned, webhookUrl }: Admitted): NewJob {
  const { negative_prompt, seed, audio, user, metadata, max_cost_usd, queue_ttl_seconds: queueTtlSeconds } = wish;
  const { model, seconds, size, route, requested } = planned;
  const request: VideoRequest = {
    prompt: wish.prompt,
    model,
    seconds,
    size,
    priority: wish.priority,
    ...present({ negative_prompt, seed, audio, user, metadata, max_cost_usd, webhook_url: webhookUrl, requested }),
  };
  return { id, tenant, request, route, inputImage: null, inputUrl: null, queueTtlSeconds, idempotency };
}

function viewOf(job: NewJob, outcome: AcceptOutcome): Accepted {
  if (outcome.kind === 'mismatch') throw keyReused();
  if (outcome.kind === 'replayed') return replayed(outcome.standing);
  if (outcome.kind === 'refused') throw budgetProblem(outcome.refusal);
  const { id, request, route } = job;
  return { view: { id, acceptedAt: outcome.acceptedAt, model: request.model, request, route }, replayed: false };
}

function keyReused(): Problem {
  const message = 'The key was used before, for a request that asked for something else.';
  return fieldProblem('idempotency_key_reused', '/Idempotency-Key', message);
}

interface Answer extends Accepted {
  /** A member of this answer only, for the phone or the browser that follows the job. */
  readonly clientToken: string;
}

function answer({ app, metrics }: CreateVideoDeps, response: Response, { view, replayed, clientToken }: Answer): void {
  if (!replayed) app.notifyAccepted();
  metrics.accepts.inc({ replayed: String(replayed) });
  const typicalSeconds = (view.route[0]?.typicalMs ?? 0) / 1_000;
  if (replayed) response.setHeader('idempotency-replayed', 'true');
  const body = JSON.stringify(Object.assign(acceptedVideo(view), { client_token: clientToken }));
  // Not by `json`: it hashes what nobody can ask for again, and sends head and body apart.
  response.writeHead(202, {
    location: `/v1/videos/${view.id}`,
    'retry-after': String(retryAfterSeconds(typicalSeconds, Math.random())),
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
