import { type FailureCode, sentenceOf } from '../domain/failure.ts';
import type { JobId, JobPhase } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';

/** What is told of a job. Never its prompt or its picture: whoever needs those asks for the video with a key. */
export interface ToldJob {
  readonly id: JobId;
  readonly model: string;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
  readonly finishedAt: number | null;
  readonly failureCode: FailureCode | null;
  /** Null once the job has been erased. */
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly costUsdMicros: number | null;
  readonly expiresAt: number | null;
  readonly output: { readonly contentType: string; readonly bytes: number; readonly sha256: string } | null;
}

export interface Told {
  readonly kind: string;
  /** When it happened, in milliseconds since the epoch. */
  readonly eventAt: number;
  /** Null: a test call. */
  readonly job: ToldJob | null;
  /** Where the API is reached. Absent: links are paths. */
  readonly publicUrl: string | undefined;
}

/** The body of a webhook. The status is that of the event, whenever the try is made; the rest is as it is by then. */
export function payloadOf(told: Told): Buffer {
  const { kind: type, eventAt, job } = told;
  const data = job === null ? { object: 'test' } : videoOf(job, told);
  const body = Buffer.from(JSON.stringify({ type, timestamp: new Date(eventAt).toISOString(), data }));
  if (body.byteLength <= limits.webhookPayloadBytesMax || job === null) return body;
  // Metadata of control characters and of many-byte letters can be six times as long as its characters.
  return payloadOf({ ...told, job: { ...job, metadata: null } });
}

function videoOf(job: ToldJob, { kind, publicUrl = '' }: Told) {
  const status = statusOf(kind);
  const isOver = status !== 'in_progress';
  const isCompleted = status === 'completed';
  const { failureCode, output } = job;
  const failed = isOver && failureCode !== null;
  return {
    id: job.id,
    object: 'video',
    status,
    model: job.model,
    created_at: unixSeconds(job.acceptedAt),
    completed_at: isCompleted && job.finishedAt !== null ? unixSeconds(job.finishedAt) : null,
    expires_at: isCompleted && job.expiresAt !== null ? unixSeconds(job.expiresAt) : null,
    error: failed ? { code: failureCode, message: sentenceOf(failureCode) } : null,
    cost_usd: isOver && job.costUsdMicros !== null ? job.costUsdMicros / 1e6 : null,
    metadata: job.metadata ?? {},
    url: `${publicUrl}/v1/videos/${job.id}`,
    outputs: isCompleted && output !== null ? [outputOf(output, `${publicUrl}/v1/videos/${job.id}/content`)] : [],
  };
}

function statusOf(kind: string): JobPhase {
  switch (kind) {
    case 'video.completed':
      return 'completed';
    case 'video.failed':
      return 'failed';
    case 'video.cancelled':
      return 'cancelled';
    default:
      return 'in_progress';
  }
}

function outputOf({ contentType, bytes, sha256 }: NonNullable<ToldJob['output']>, url: string) {
  return { url, content_type: contentType, bytes, sha256 };
}

function unixSeconds(millis: number): number {
  return Math.floor(millis / 1_000);
}
