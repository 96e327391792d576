import type { AssetView, JobView } from '../../db/jobs/read-jobs.ts';
import { sentenceOf } from '../../domain/failure.ts';
import type { JobId } from '../../domain/job.ts';
import { progressPercent } from '../../domain/progress.ts';
import type { Route } from '../../domain/route.ts';
import type { Requested, VideoRequest } from '../../domain/video-request.ts';
import { sorted } from '../accept/idempotency.ts';
import { type QueueContext, type QueueObject, queueOf } from './queue-object.ts';

/** The one serializer of jobs: the OpenAI dialect first, our own fields after it. */
export interface VideoObject {
  readonly id: JobId;
  readonly object: 'video';
  readonly status: JobView['phase'];
  readonly progress: number;
  readonly created_at: number;
  readonly completed_at: number | null;
  readonly expires_at: number | null;
  readonly model: string;
  readonly prompt: string | null;
  readonly seconds: string | null;
  readonly size: string | null;
  /** What was asked for, where a retired model's video is served by another one. */
  readonly requested: RequestedObject | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly queue: QueueObject | null;
  readonly served_by: { readonly provider: string; readonly model: string } | null;
  readonly attempts: number;
  readonly outputs: readonly OutputObject[];
  readonly cost_usd: number | null;
  /** What the first target of its route asks for it. */
  readonly estimated_cost_usd: number | null;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface RequestedObject {
  readonly model: string;
  /** Null: the caller left it to us. */
  readonly seconds: string | null;
  readonly size: string | null;
}

/** Our own copy. Listed until its time is over. */
export interface OutputObject {
  readonly url: string;
  readonly content_type: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A job as it was when it was accepted: the body of the 202, also of every replay. */
export interface AcceptedView {
  readonly id: JobId;
  readonly acceptedAt: number;
  readonly model: string;
  readonly request: VideoRequest | null;
  readonly route: Route;
}

export function acceptedVideo(job: AcceptedView): VideoObject {
  // Not by spread, which takes fifty times as long for an object of this size.
  return Object.assign(wishOf(job), {
    status: 'queued',
    progress: 0,
    completed_at: null,
    expires_at: null,
    error: null,
    queue: { position: null, eta_seconds: null, reason: 'waiting_capacity' },
    served_by: null,
    attempts: 0,
    outputs: [],
    cost_usd: null,
  } as const);
}

export interface VideoContext extends QueueContext {
  readonly servedBySimulator: boolean;
}

export function videoObject(job: JobView, context: VideoContext): VideoObject {
  return {
    ...wishOf(job),
    status: job.phase,
    progress: progressOf(job),
    completed_at: job.phase === 'completed' && job.finishedAt !== null ? unixSeconds(job.finishedAt) : null,
    expires_at: job.asset && unixSeconds(job.asset.expiresAt),
    error: job.failure && { code: job.failure.code, message: sentenceOf(job.failure.code) },
    queue: job.phase === 'queued' || context.place !== undefined ? queueOf(job.route, context) : null,
    served_by: servedBy(job, context.servedBySimulator),
    attempts: job.attempts,
    outputs: job.asset === null || job.asset.isGone ? [] : [outputOf(job.id, job.asset)],
    cost_usd: usdOf(job.costUsdMicros),
  };
}

function outputOf(id: JobId, { contentType, bytes, sha256 }: AssetView): OutputObject {
  return { url: `/v1/videos/${id}/content`, content_type: contentType, bytes, sha256 };
}

export function usdOf(usdMicros: number | null): number | null {
  return usdMicros === null ? null : usdMicros / 1e6;
}

function wishOf(job: AcceptedView) {
  return {
    id: job.id,
    object: 'video',
    created_at: unixSeconds(job.acceptedAt),
    model: job.model,
    prompt: job.request?.prompt ?? null,
    seconds: job.request === null ? null : String(job.request.seconds),
    size: job.request?.size ?? null,
    requested: requestedOf(job.request?.requested),
    estimated_cost_usd: usdOf(job.route[0]?.priceUsdMicros ?? null),
    // jsonb has an order of its own: the answer must not depend on where the request came from.
    metadata: sorted(job.request?.metadata ?? {}),
  } as const;
}

function requestedOf(requested: Requested | undefined): RequestedObject | null {
  if (requested === undefined) return null;
  const { model, seconds, size = null } = requested;
  return { model, seconds: seconds === undefined ? null : String(seconds), size };
}

/** Measured against the first target whatever happens later, so that a switch never sets it back. */
function progressOf(job: JobView): number {
  if (job.phase === 'completed') return 100;
  if (job.elapsedMs === null) return 0;
  return progressPercent(job.elapsedMs, typicalMsOf(job.route));
}

function servedBy(job: JobView, bySimulator: boolean): VideoObject['served_by'] {
  if (job.servedProvider === null || job.servedTarget === null) return null;
  const model = job.route[job.servedTarget]?.vendorModel ?? job.model;
  return { provider: bySimulator ? 'simulator' : job.servedProvider, model };
}

function typicalMsOf(route: Route): number {
  return route[0]?.typicalMs ?? 0;
}

function unixSeconds(millis: number): number {
  return Math.floor(millis / 1_000);
}
