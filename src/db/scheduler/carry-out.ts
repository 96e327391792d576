import type pg from 'pg';
import type { Grants, WaitReason } from '../../domain/grants.ts';
import { chargedBudgets } from './spending.ts';
import { only } from '../sql.ts';

/** What a pass has decided. */
export interface PassNotes {
  readonly pool: string;
  readonly grants: Pick<Grants, 'granted' | 'lanes' | 'flows' | 'shares' | 'nextStartAt' | 'overlapTokens'>;
  /** JSON of domain/learned-limit.ts. */
  readonly learned: object;
  /** The limit on outstanding jobs that was in force. */
  readonly workingMax: number;
  readonly targets: readonly TargetNote[];
  /** Tenants whose budgets this pass holds, and by which it has decided. Absent: none. */
  readonly budgeted?: readonly string[];
}

export interface TargetNote {
  readonly name: string;
  readonly nextStartAt: number | null;
  readonly reason: WaitReason | null;
}

/**
 * Carries a pass out: tickets become permits, and every permit gets its mail: the start of its workflow, or a signal
 * where that was dispatched before. What has moved on is noted: the pool's rate and what it has learned, classes, flows,
 * and why who waits does. Returns how many permits there were.
 *
 * The job is locked before its ticket, as everywhere, and a job that somebody is ending at this moment is left to them:
 * to wait for them while they wait for the ticket would be a deadlock. Its ticket may wait on all the same, so no flow
 * counts as empty then.
 *
 * Flows are found from the notes, and not the other way round, whatever the planner thinks of their number.
 */
export async function carryOut(connection: pg.PoolClient, notes: PassNotes): Promise<number> {
  const { pool, grants, learned, workingMax, targets, budgeted = [] } = notes;
  const { rows } = await connection.query<{ count: number }>({
    name: 'carry_out',
    text: carryOutSql,
    values: [
      pool,
      grants.granted.map(({ id }) => id),
      grants.granted.map(({ startAt }) => startAt),
      grants.nextStartAt,
      grants.overlapTokens,
      JSON.stringify(learned),
      workingMax,
      JSON.stringify(grants.lanes),
      JSON.stringify(grants.flows),
      JSON.stringify(targets),
      JSON.stringify(grants.shares),
      budgeted,
    ],
  });
  return only(rows, 'carry_out').count;
}

const carryOutSql = `
  WITH chosen AS (
    SELECT * FROM unnest($2::bigint[], $3::double precision[]) AS chosen(id, start_ms)
  ), locked AS MATERIALIZED (
    SELECT chosen.id, chosen.start_ms
    FROM chosen JOIN tickets ON tickets.id = chosen.id JOIN jobs ON jobs.id = tickets.job
    WHERE jobs.finished_at IS NULL
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
  ), claimed AS (
    DELETE FROM tickets USING locked WHERE tickets.id = locked.id
    RETURNING tickets.*, to_timestamp(locked.start_ms / 1000) AS start_at
  ), granted AS (
    INSERT INTO permits (job, attempt, pool, target, target_name, granted_at, start_at, price_usd_micros, reserved_usd_micros)
    SELECT job, attempt, pool, target, target_name, clock_timestamp(), start_at, price_usd_micros,
           CASE WHEN tenant = ANY ($12::text[]) THEN greatest(reserved_usd_micros, price_usd_micros) ELSE reserved_usd_micros END
    FROM claimed ORDER BY start_at
    ON CONFLICT (job, attempt) DO NOTHING
    RETURNING grant_id, job, attempt, target, target_name, start_at, price_usd_micros, reserved_usd_micros
  ), dispatched AS (
    UPDATE jobs SET dispatched_at = clock_timestamp()
    FROM granted WHERE jobs.id = granted.job AND jobs.dispatched_at IS NULL
    RETURNING jobs.id
  ), mailed AS (
    INSERT INTO mailbox (job, kind, attempt, payload, not_before)
    SELECT job,
           CASE WHEN job IN (SELECT id FROM dispatched) THEN 'start' ELSE 'permit' END,
           attempt,
           jsonb_build_object('attempt', attempt, 'target', target, 'grant', grant_id::text),
           start_at
    FROM granted
    ON CONFLICT (job, kind, attempt) DO NOTHING
  ), committed AS (
    UPDATE budgets
    SET committed_usd_micros = committed_usd_micros + (SELECT coalesce(sum(price_usd_micros), 0)::bigint FROM granted)
    WHERE id = 'global' AND cap_usd_micros IS NOT NULL AND EXISTS (SELECT 1 FROM granted)
  ), raised AS (
    SELECT claimed.tenant, budget_day(claimed.accepted_at) AS day,
           sum(granted.reserved_usd_micros - coalesce(claimed.reserved_usd_micros, 0)) AS usd_micros
    FROM claimed JOIN granted ON granted.job = claimed.job AND granted.attempt = claimed.attempt
    WHERE claimed.tenant = ANY ($12::text[])
    GROUP BY 1, 2
    -- Other days of the same tenant are not held: to touch them now, with jobs locked, would be a deadlock.
    HAVING sum(granted.reserved_usd_micros - coalesce(claimed.reserved_usd_micros, 0)) > 0
  ), ${chargedBudgets}, paced AS (
    UPDATE pools
    SET next_start_at = to_timestamp($4::float8 / 1000), overlap_tokens = $5::float8, overlap_at = clock_timestamp(),
        learned = $6::jsonb, working_max = $7::int
    WHERE id = $1
  ), served_lanes AS (
    UPDATE lanes SET virtual_time = lane."virtualTime", tag = lane.tag
    FROM jsonb_to_recordset($8::jsonb) AS lane(class smallint, "virtualTime" float8, tag float8)
    WHERE lanes.pool = $1 AND lanes.class = lane.class
      AND (lanes.virtual_time, lanes.tag) IS DISTINCT FROM (lane."virtualTime", lane.tag)
  ), charged AS (
    UPDATE shares SET tag = share.tag
    FROM jsonb_to_recordset($11::jsonb) AS share(class smallint, tenant text, tag float8)
    WHERE shares.pool = $1 AND shares.class = share.class AND shares.tenant = share.tenant
  ), whole AS MATERIALIZED (
    SELECT count(*) = cardinality($2::bigint[]) AS is_claimed FROM claimed
  ), served AS (
    SELECT own.place, flow.tag, whole.is_claimed AND flow.emptied ? own.target_name AS is_emptied,
           CASE WHEN whole.is_claimed THEN coalesce((flow.served ->> own.target_name)::int, 0) ELSE
             (SELECT count(*) FROM claimed
              WHERE claimed.kind <> 'overlap' AND claimed.priority = flow.class AND claimed.tenant = flow.tenant
                AND claimed.caller = flow.caller AND claimed.target_name = own.target_name) END AS gone
    FROM whole
    CROSS JOIN jsonb_to_recordset($9::jsonb)
      AS flow(class smallint, tenant text, caller text, tag float8, served jsonb, emptied jsonb)
    CROSS JOIN LATERAL (
      SELECT flows.ctid AS place, flows.target_name FROM flows
      WHERE flows.pool = $1 AND flows.class = flow.class AND flows.tenant = flow.tenant AND flows.caller = flow.caller
      OFFSET 0
    ) AS own
  ), served_flows AS (
    UPDATE flows SET tag = served.tag, waiting = flows.waiting - served.gone, active = flows.active AND NOT served.is_emptied
    FROM served WHERE flows.ctid = served.place
  ), noted AS (
    UPDATE targets
    SET granted_total = granted_total + coalesce(granted_now.count, 0),
        next_start_at = coalesce(to_timestamp(target."nextStartAt" / 1000), targets.next_start_at),
        wait_reason = CASE WHEN target.name IS NULL THEN targets.wait_reason ELSE target.reason END
    FROM jsonb_to_recordset($10::jsonb) AS target(name text, "nextStartAt" float8, reason text)
    FULL JOIN (SELECT target_name, count(*) AS count FROM granted GROUP BY target_name) AS granted_now
      ON granted_now.target_name = target.name
    WHERE targets.pool = $1 AND targets.name = coalesce(target.name, granted_now.target_name)
  )
  SELECT count(*)::int AS count FROM granted`;
