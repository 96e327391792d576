import type { Failure } from '../../domain/failure.ts';
import type { JobId, JobPhase, OwnedJob } from '../../domain/job.ts';
import type { Route } from '../../domain/route.ts';
import type { VideoRequest } from '../../domain/video-request.ts';
import type { Database } from '../pool.ts';
import { withRoutes, type WithRouteText } from './remembered-route.ts';
import { millis } from '../sql.ts';
import type { Resolution } from '../ledger/unknown-attempts.ts';

/** A job as its owner may see it. Times are milliseconds of the database's clock. */
export interface JobView {
  readonly id: JobId;
  readonly tenant: string;
  readonly phase: JobPhase;
  readonly model: string;
  /** Null once the job has been erased. */
  readonly request: VideoRequest | null;
  readonly route: Route;
  /** The number of its last event. */
  readonly eventSeq: number;
  readonly acceptedAt: number;
  readonly finishedAt: number | null;
  /** From the first POST to the end, or to now. */
  readonly elapsedMs: number | null;
  readonly dispatched: boolean;
  /** An attempt of it stands in line, and nothing else is under way. */
  readonly isWaiting: boolean;
  readonly failure: Failure | null;
  readonly attempts: number;
  /** Null while nothing has been booked. */
  readonly costUsdMicros: number | null;
  /** Who made the video: its provider, and the index of its target in the route. */
  readonly servedProvider: string | null;
  readonly servedTarget: number | null;
  /** Null before the video is ours. */
  readonly asset: AssetView | null;
}

/** Our own copy of the video that a job is completed with. */
export interface AssetView {
  readonly key: string;
  readonly contentType: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly expiresAt: number;
  /** Its time is over, whether or not its bytes are gone already. */
  readonly isGone: boolean;
}

const joinAsset = `LEFT JOIN assets stored
             ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL`;
const assetColumn = `CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
                    'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
                    'sha256', encode(stored.sha256, 'hex'), 'expiresAt', ${millis('stored.expires_at')},
                    'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset`;

/** SQL that reads jobs as `JobView`s, but for those that were deleted, up to its condition: one by one here, by the page in list-jobs.ts. */
export const selectJobs = `SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
                  jobs.event_seq AS "eventSeq",
                  ${millis('jobs.accepted_at')} AS "acceptedAt", ${millis('jobs.finished_at')} AS "finishedAt",
                  ${millis('coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at')} AS "elapsedMs",
                  jobs.dispatched_at IS NOT NULL AS dispatched,
                  EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
                  ledger.attempts, ledger.cost AS "costUsdMicros",
                  served.provider AS "servedProvider", served.target AS "servedTarget", ${assetColumn}
           FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
           CROSS JOIN LATERAL (
             SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
           ) AS ledger
           LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
           ${joinAsset}`;

export async function findJob(db: Database, job: OwnedJob): Promise<JobView | undefined> {
  const { rows } = await db.query<WithRouteText<JobView>>({
    name: 'find_job',
    text: `${selectJobs}
           WHERE jobs.id = $1 AND jobs.tenant = $2`,
    values: [job.id, job.tenant],
  });
  return withRoutes<JobView>(rows)[0];
}

export interface JobEvent {
  readonly seq: number;
  readonly at: Date;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export async function listEvents(db: Database, job: OwnedJob): Promise<readonly JobEvent[]> {
  const { rows } = await db.query<JobEvent>({
    name: 'list_events',
    text: 'SELECT seq, at, kind, data FROM job_events WHERE job = $1 AND tenant = $2 ORDER BY seq',
    values: [job.id, job.tenant],
  });
  return rows;
}

/** One line of the ledger, without what lets anybody speak for the provider. */
export interface AttemptView {
  readonly attempt: number;
  readonly target: string;
  readonly provider: string;
  readonly overlap: boolean;
  readonly state: string;
  readonly outcome: string | null;
  readonly evidence: string | null;
  readonly failure: Failure | null;
  readonly submittedAt: Date;
  readonly answeredAt: Date | null;
  readonly endedAt: Date | null;
  readonly costUsdMicros: number | null;
  readonly possibleDuplicate: boolean;
  /** Since when it was unknown whether the vendor had taken it. Null: it never was. */
  readonly unknownAt: Date | null;
  readonly resolvedBy: Resolution | null;
  readonly resolvedAt: Date | null;
}

export async function listAttempts(db: Database, job: OwnedJob): Promise<readonly AttemptView[]> {
  const { rows } = await db.query<AttemptView>({
    name: 'list_attempts',
    text: `SELECT attempt, target_name AS target, provider, overlap, state, outcome, evidence, failure,
                  submitted_at AS "submittedAt", answered_at AS "answeredAt", ended_at AS "endedAt",
                  cost_usd_micros::float8 AS "costUsdMicros", possible_duplicate AS "possibleDuplicate",
                  unknown_at AS "unknownAt", resolved_by AS "resolvedBy", resolved_at AS "resolvedAt"
           FROM attempts WHERE job = $1 AND tenant = $2 ORDER BY attempt`,
    values: [job.id, job.tenant],
  });
  return rows;
}

/** What there is to serve of a job. */
export interface JobOutput {
  readonly phase: JobPhase;
  readonly asset: AssetView | null;
}

export async function findOutput(db: Database, job: OwnedJob): Promise<JobOutput | undefined> {
  const { rows } = await db.query<JobOutput>({
    name: 'find_output',
    text: `SELECT jobs.phase, ${assetColumn}
           FROM jobs
           ${joinAsset}
           WHERE jobs.id = $1 AND jobs.tenant = $2 AND jobs.erase_requested_at IS NULL`,
    values: [job.id, job.tenant],
  });
  return rows[0];
}
