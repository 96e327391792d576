import type { JobPhase } from '../../domain/job.ts';
import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

export const usageGroups = ['day', 'model', 'provider'] as const;

export type UsageGroup = (typeof usageGroups)[number];

/** The days of UTC in which jobs were accepted, `YYYY-MM-DD`, both ends included. */
export interface UsageQuery {
  readonly tenant: string;
  readonly from: string;
  readonly to: string;
  readonly groupBy: UsageGroup;
}

/** What became of jobs, and what they cost so far. */
export interface UsageRow {
  /** A day, a model or a provider. Null: no provider has been asked yet. */
  readonly group: string | null;
  readonly jobs: Partial<Readonly<Record<JobPhase, number>>>;
  readonly attempts: number;
  /** Of the videos that were made. A job that was erased has no length any more. */
  readonly seconds: number;
  /** What is booked in millionths of a US dollar, of attempts that have ended. */
  readonly costUsdMicros: number;
}

/** A budget of a tenant, as it stands. */
export interface BudgetView {
  /** Null: there is none. */
  readonly limitUsdMicros: number | null;
  /** Reserved and spent. */
  readonly committedUsdMicros: number;
  readonly startsOn: string;
  readonly endsOn: string;
}

export interface Usage {
  readonly rows: readonly UsageRow[];
  readonly budgets: Readonly<Record<'day' | 'month', BudgetView>>;
}

/**
 * What a tenant used, and what its budgets leave. Reads all the jobs of those days, by their ids, which begin with their
 * time, and what was kept of those that were pruned: so its statement is given more time than others, by a pool of its own.
 */
export async function readUsage(db: Database, query: UsageQuery): Promise<Usage> {
  const { rows } = await db.query<UsageRow>(usageSql(query.groupBy), [query.tenant, query.from, query.to]);
  const budgets = await db.query<Usage['budgets']>(budgetsSql, [query.tenant]);
  return { rows, budgets: only(budgets.rows, 'read_budgets') };
}

/** SQL for the least id that a job may have which was accepted at that day's begin, whatever the clock of who made it. */
const idAt = (day: string, slack: string): string =>
  `'video_' || overlay(lpad(to_hex((extract(epoch FROM ((${day}::timestamp ${slack}) AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
     PLACING '-' FROM 9 FOR 0)`;

const groups = {
  day: `budget_day(chosen.accepted_at)::text`,
  model: 'chosen.model',
  // Who made the video; else who was asked last.
  provider: `coalesce((SELECT provider FROM attempts WHERE job = chosen.id AND attempt = chosen.served_attempt),
                      (SELECT provider FROM attempts WHERE job = chosen.id ORDER BY attempt DESC LIMIT 1))`,
} as const satisfies Record<UsageGroup, string>;

/** What is still known of jobs that were pruned. */
const ofPruned = {
  day: 'day::text',
  model: 'model',
  provider: `nullif(provider, '')`,
} as const satisfies Record<UsageGroup, string>;

/** By provider attempts and costs count where they were made, and jobs where they ended. */
function usageSql(groupBy: UsageGroup): string {
  const ofAttempt = groupBy === 'provider' ? 'attempts.provider' : 'its."group"';
  return `
    WITH chosen AS MATERIALIZED (
      SELECT id, phase, model, accepted_at, served_attempt, (request ->> 'seconds')::float8 AS seconds
      FROM jobs
      WHERE tenant = $1 AND id >= ${idAt('$2::date', `- interval '1 hour'`)} AND id < ${idAt('$3::date', `+ interval '25 hours'`)}
        AND accepted_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND accepted_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
    ), its AS MATERIALIZED (
      SELECT chosen.*, ${groups[groupBy]} AS "group" FROM chosen
    ), phases AS (
      SELECT "group", phase, count(*) AS jobs, coalesce(sum(seconds) FILTER (WHERE phase = 'completed'), 0) AS seconds
      FROM its GROUP BY 1, 2
    ), paid AS (
      SELECT ${ofAttempt} AS "group", count(*) AS attempts, coalesce(sum(cost_usd_micros), 0) AS cost
      FROM its JOIN attempts ON attempts.job = its.id GROUP BY 1
    ), pruned AS MATERIALIZED (
      SELECT ${ofPruned[groupBy]} AS "group", phase, jobs, seconds, attempts, usd_micros FROM pruned_usage
      WHERE tenant = $1 AND day >= $2::date AND day <= $3::date
    )
    SELECT "group", coalesce(jsonb_object_agg(phase, jobs) FILTER (WHERE phase IS NOT NULL), '{}') AS jobs,
           coalesce(sum(attempts), 0)::int AS attempts, coalesce(sum(seconds), 0)::float8 AS seconds,
           coalesce(sum(cost), 0)::float8 AS "costUsdMicros"
    FROM (
      SELECT "group", phase, sum(jobs) AS jobs, sum(seconds) AS seconds, sum(attempts) AS attempts, sum(cost) AS cost
      FROM (
        SELECT "group", phase, jobs, seconds, NULL::bigint AS attempts, NULL::numeric AS cost FROM phases
        UNION ALL
        SELECT "group", NULL, NULL, NULL, attempts, cost FROM paid
        UNION ALL
        SELECT "group", nullif(phase, ''), CASE WHEN phase <> '' THEN jobs END, seconds, attempts, usd_micros FROM pruned
      ) AS each
      GROUP BY "group", phase
    ) AS parts
    GROUP BY "group" ORDER BY "group" NULLS LAST`;
}

const budgetSql = (period: 'day' | 'month'): string => `
  jsonb_build_object(
    'limitUsdMicros', (SELECT ${period}_budget_usd_micros FROM tenants WHERE id = $1),
    'committedUsdMicros', coalesce((SELECT committed_usd_micros FROM spending
                                    WHERE tenant = $1 AND period = '${period}' AND starts_on = ${period}_start), 0)
      - coalesce((SELECT sum(usd_micros) FROM spending_refunds WHERE tenant = $1 AND on_day >= ${period}_start), 0),
    'startsOn', ${period}_start, 'endsOn', (${period}_start + interval '1 ${period}')::date)`;

const budgetsSql = `
  SELECT ${budgetSql('day')} AS day, ${budgetSql('month')} AS month
  FROM (SELECT budget_day(clock_timestamp()) AS day_start,
               date_trunc('month', budget_day(clock_timestamp())::timestamp)::date AS month_start) AS today`;
