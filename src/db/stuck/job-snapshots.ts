import type { FailureCode } from '../../domain/failure.ts';
import type { JobId, JobPhase } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { firstCheckDelayMs } from '../../domain/poll-schedule.ts';
import type { RouteTarget } from '../../domain/route.ts';
import { type AttemptSnapshot, type JobSnapshot, refusals } from '../../domain/stuck.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';
import { refusalOf, refusingLines, waitsSince } from './waiting-jobs.ts';

/** What Postgres knows of a job that may be stuck, in the words in which its workflow would tell it. */
export interface SnapshotRow {
  readonly jobId: JobId;
  readonly tenant: string;
  readonly model: string;
  readonly phase: JobPhase;
  readonly snapshot: JobSnapshot;
  /** Where it waits, and whose target that is. */
  readonly waitsAt: { readonly target: string; readonly provider: string } | null;
  /** Names of the targets of its route that no attempt of it was at, in order. */
  readonly untried: readonly string[];
  /** Milliseconds of the database's clock, when this was read. */
  readonly now: number;
}

interface Row extends Omit<SnapshotRow, 'snapshot' | 'waitsAt'> {
  readonly waiting: { since: number; target: string; provider: string; refusal: FailureCode | null } | null;
  readonly attempts: readonly AttemptRow[];
  readonly webhook: JobSnapshot['webhook'];
  readonly taskFailingSince: number | null;
}

interface AttemptRow
  extends
    Pick<AttemptSnapshot, 'attempt' | 'target' | 'provider' | 'state' | 'since'>,
    Pick<RouteTarget, 'typicalMs' | 'patienceMs' | 'callbacks'> {}

/** The snapshots of these jobs, by their keys: whatever else the tables hold. */
export async function readSnapshots(db: Database, ids: readonly JobId[]): Promise<readonly SnapshotRow[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.query<Row>(snapshotSql, [refusals, ids]);
  return rows.map(toSnapshotRow);
}

function toSnapshotRow({ waiting, attempts, webhook, taskFailingSince, ...row }: Row): SnapshotRow {
  const waitsAt = waiting === null ? null : { target: waiting.target, provider: waiting.provider };
  const snapshot: JobSnapshot = {
    waiting: waiting === null ? null : { since: waiting.since, target: waiting.target, refusal: waiting.refusal },
    attempts: attempts.map(toAttemptSnapshot),
    webhook,
    taskFailingSince,
  };
  return { ...row, waitsAt, snapshot };
}

function toAttemptSnapshot({ typicalMs, patienceMs, ...attempt }: AttemptRow): AttemptSnapshot {
  const { since, callbacks } = attempt;
  return {
    ...attempt,
    checkAt: since + firstCheckDelayMs({ typicalMs, callbacks }),
    patienceEndsAt: since + patienceMs,
  };
}

/** Nobody POSTs for so long: its worker died, and no other has looked for it yet. */
const isLost = `attempts.submitted_at <= (SELECT clock_timestamp()) - interval '${limits.submittingMsMax} milliseconds'`;

/** SQL for an attempt that the provider works on or may, or whose video is still to become ours. */
const isOpen = `(attempts.ended_at IS NULL AND (attempts.state <> 'submitting' OR ${isLost})
                 OR attempts.outcome = 'finished' AND assets.stored_at IS NULL AND assets.failure IS NULL)`;

const snapshotSql = `WITH ${refusingLines('$1')}
  SELECT jobs.id AS "jobId", jobs.tenant, jobs.model, jobs.phase, ${millis('clock_timestamp()')} AS now,
         coalesce((SELECT jsonb_agg(target.of ->> 'name' ORDER BY target.n)
                   FROM jsonb_array_elements(jobs.route) WITH ORDINALITY AS target(of, n)
                   WHERE NOT EXISTS (SELECT FROM attempts WHERE attempts.job = jobs.id AND attempts.target = target.n - 1)),
                  '[]') AS untried,
         line.waiting, coalesce(ledger.attempts, '[]') AS attempts, told.webhook, ${millis('failing.since')} AS "taskFailingSince"
  FROM unnest($2::text[]) AS asked(id)
  JOIN jobs ON jobs.id = asked.id
  LEFT JOIN failing_workflows failing ON failing.job = jobs.id AND jobs.finished_at IS NULL
  LEFT JOIN LATERAL (
    SELECT jsonb_build_object('since', ${millis(waitsSince)}, 'target', tickets.target_name,
             'provider', jobs.route -> tickets.target::int ->> 'provider', 'refusal', ${refusalOf('$1')}) AS waiting
    FROM tickets WHERE tickets.job = jobs.id AND tickets.kind <> 'overlap'
  ) AS line ON jobs.finished_at IS NULL
  LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
             'attempt', attempts.attempt, 'target', attempts.target_name, 'provider', attempts.provider,
             'state', CASE WHEN attempts.outcome = 'finished' THEN 'keeping' WHEN attempts.state = 'accepted' THEN 'live' ELSE 'unknown' END,
             'since', ${millis(`CASE WHEN attempts.outcome = 'finished' THEN attempts.ended_at
                                     WHEN attempts.state = 'accepted' THEN coalesce(attempts.queued_at, attempts.answered_at)
                                     ELSE attempts.submitted_at END`)},
             'typicalMs', target.of -> 'typicalMs', 'patienceMs', target.of -> 'patienceMs', 'callbacks', target.of -> 'callbacks'
           ) ORDER BY attempts.attempt) AS attempts
    FROM attempts
    LEFT JOIN assets ON assets.job = attempts.job AND assets.attempt = attempts.attempt
    CROSS JOIN LATERAL (SELECT jobs.route -> attempts.target::int AS of) AS target
    WHERE attempts.job = jobs.id AND ${isOpen}
  ) AS ledger ON jobs.finished_at IS NULL
  LEFT JOIN LATERAL (
    SELECT jsonb_build_object('since', ${millis('min(created_at)')}, 'tries', max(tries), 'nextTryAt', ${millis('min(next_try_at)')}) AS webhook
    FROM webhook_deliveries WHERE webhook_deliveries.job = jobs.id AND webhook_deliveries.state = 'retrying'
    HAVING count(*) > 0
  ) AS told ON true`;
