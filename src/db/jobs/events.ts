import type { JobId, OwnedJob } from '../../domain/job.ts';
import type { Database } from '../pool.ts';
import type { JobEvent } from './read-jobs.ts';
import { only } from '../sql.ts';

/**
 * A place among the events of a tenant. They are ordered by the transaction that wrote them, which is not the order of
 * commits: whoever reads only what is older than every transaction under way, the *horizon*, misses none, however late a
 * slow one commits. A transaction that stays open, anywhere on the server, holds the horizon back.
 */
export interface EventPosition {
  /** Of Postgres' type `xid8`, in digits. */
  readonly tx: string;
  readonly job: string;
  readonly seq: number;
}

/** An event among those of its tenant. */
export interface TenantEvent extends JobEvent, EventPosition {
  readonly job: JobId;
  /** It lies behind the horizon: nothing can come before it any more. */
  readonly isSettled: boolean;
}

/** How two places follow each other: below zero when the first comes first. */
export function comparePositions(one: EventPosition, other: EventPosition): number {
  if (one.tx !== other.tx) return BigInt(one.tx) < BigInt(other.tx) ? -1 : 1;
  if (one.job !== other.job) return one.job < other.job ? -1 : 1;
  return one.seq - other.seq;
}

/** Where a reader begins that wants what happens from now on. */
export async function findHorizon(db: Database): Promise<EventPosition> {
  const { rows } = await db.query<{ tx: string }>({
    name: 'find_horizon',
    text: 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS tx',
  });
  return { tx: only(rows, 'find_horizon').tx, job: '', seq: 0 };
}

/** Whether no transaction has come to there yet: no place of ours lies that far, unless the counting has begun anew. */
export async function isToCome(db: Database, tx: string): Promise<boolean> {
  const { rows } = await db.query<{ isToCome: boolean }>({
    name: 'is_to_come',
    text: 'SELECT $1::text::xid8 > pg_snapshot_xmax(pg_current_snapshot()) AS "isToCome"',
    values: [tx],
  });
  return only(rows, 'is_to_come').isToCome;
}

/** How far somebody has read in the events of a tenant. */
export interface TenantPosition {
  readonly tenant: string;
  readonly after: EventPosition;
}

/**
 * The next events of each of these tenants, up to `count` of each. Those that are not settled come last: another may
 * still come between them, but to whoever follows a single job they are good, since a job's own are written one by one.
 */
export async function readEventsAfter(
  db: Database,
  positions: readonly TenantPosition[],
  count: number,
): Promise<readonly (TenantEvent & { readonly tenant: string })[]> {
  const { rows } = await db.query<TenantEvent & { tenant: string }>({
    name: 'read_events_after',
    text: `SELECT place.tenant, event.* FROM unnest($1::text[], $2::xid8[], $3::text[], $4::int[]) AS place(tenant, tx, job, seq)
           CROSS JOIN LATERAL (
             SELECT e.tx::text AS tx, e.job, e.seq, e.at, e.kind, e.data,
                    e.tx < pg_snapshot_xmin(pg_current_snapshot()) AS "isSettled"
             FROM job_events e
             WHERE e.tenant = place.tenant AND (e.tx, e.job, e.seq) > (place.tx, place.job, place.seq)
             ORDER BY e.tx, e.job, e.seq
             LIMIT $5
           ) AS event`,
    values: [
      positions.map(({ tenant }) => tenant),
      positions.map(({ after }) => after.tx),
      positions.map(({ after }) => after.job),
      positions.map(({ after }) => after.seq),
      count,
    ],
  });
  return rows;
}

/** The events of one job behind a number, all of them: a job has a few dozen at most. */
export async function listEventsOfJob(
  db: Database,
  { id, tenant }: OwnedJob,
  afterSeq: number,
): Promise<readonly JobEvent[]> {
  const { rows } = await db.query<JobEvent>({
    name: 'list_events_of_job',
    text: `SELECT seq, at, kind, data FROM job_events WHERE job = $1 AND tenant = $2 AND seq > $3 ORDER BY seq`,
    values: [id, tenant, afterSeq],
  });
  return rows;
}
