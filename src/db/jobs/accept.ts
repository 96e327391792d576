import { type JobId, priorities } from '../../domain/job.ts';
import type { Route } from '../../domain/route.ts';
import type { VideoRequest } from '../../domain/video-request.ts';
import type { Database } from '../pool.ts';
import { millis } from '../sql.ts';

/** A job before it exists. Its id is minted by the API, so that a write whose fate is unknown can be repeated. */
export interface NewJob {
  readonly id: JobId;
  readonly tenant: string;
  readonly request: VideoRequest;
  readonly route: Route;
  /** The key of its picture in the object store. */
  readonly inputImage: string | null;
  /** Where its picture is still to be read from. */
  readonly inputUrl: string | null;
  readonly queueTtlSeconds: number;
  readonly idempotency: Idempotency | null;
}

export interface Idempotency {
  readonly key: string;
  /** SHA-256 of what was asked for, in hexadecimal. */
  readonly fingerprint: string;
}

export type InsertedJob = Extract<InsertAnswer, { refusal: null }>;

/** A job that was inserted, or one that its tenant's budgets have no room for. */
export type InsertAnswer =
  | {
      readonly id: JobId;
      /** Milliseconds since the epoch, by the database's clock. */
      readonly acceptedAt: number;
      readonly refusal: null;
    }
  | { readonly id: JobId; readonly acceptedAt: null; readonly refusal: BudgetRefusal };

export type BudgetRefusal =
  | {
      readonly kind: 'over_budget';
      readonly period: 'day' | 'month';
      readonly leftUsdMicros: number;
      readonly priceUsdMicros: number;
      /** The day on which the next period begins, in UTC: `YYYY-MM-DD`. */
      readonly endsOn: string;
    }
  | { readonly kind: 'price_unknown' };

/**
 * Inserts jobs with their first tickets in one statement. Returns those that it inserted, and those that their tenants'
 * budgets have no room for: the others exist already, under their id (an earlier try was committed after all) or under
 * their idempotency key (see `findStandingJobs`). No budget has a say in these.
 *
 * Where a tenant has a budget, its rows are locked before anything is inserted, and what the inserted jobs are expected to
 * cost is reserved by one update: two batches can't spend the same money. Nobody else waits for that.
 *
 * A picture that lay in wait for its job belongs to it from here on.
 *
 * Keys are inserted in one order everywhere, so that two batches never wait for each other. Tickets are in the order of
 * ids, which is the order of arrival.
 */
export async function insertJobs(db: Database, jobs: readonly NewJob[]): Promise<readonly InsertAnswer[]> {
  const { rows } = await db.query<InsertAnswer>({
    name: 'insert_jobs',
    text: `WITH input AS (
             SELECT id, tenant, key, fingerprint, request::jsonb, ($11::jsonb[])[route] AS route, input_image, input_url,
                    priority, queue_ttl * interval '1 second' AS queue_ttl
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::smallint[], $10::float8[])
               AS input(id, tenant, key, fingerprint, request, route, input_image, input_url, priority, queue_ttl)
           ), admission AS MATERIALIZED (
             SELECT * FROM admit_jobs($1, $2, $3, $12::bigint[])
           ), admitted AS MATERIALIZED (
             SELECT input.* FROM input LEFT JOIN admission ON admission.id = input.id
             WHERE admission.id IS NULL OR admission.verdict = 'fits'
           ), won AS (
             INSERT INTO idempotency_keys (tenant, key, job, fingerprint)
             SELECT tenant, key, id, decode(fingerprint, 'hex') FROM admitted WHERE key IS NOT NULL ORDER BY tenant, key, id
             ON CONFLICT (tenant, key) DO NOTHING
             RETURNING job
           ), accepted AS (
             INSERT INTO jobs (id, tenant, model, request, input_image, input_url, route, priority, queue_deadline)
             SELECT id, tenant, request ->> 'model', request, input_image, input_url, route, priority, now() + queue_ttl
             FROM admitted WHERE key IS NULL OR id IN (SELECT job FROM won)
             ORDER BY id
             ON CONFLICT (id) DO NOTHING
             RETURNING *
           ), queued AS (
             INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, spill_at,
                                  queue_deadline, price_usd_micros, reserved_usd_micros)
             SELECT id, 1, tenant, coalesce(request ->> 'user', ''), route -> 0 ->> 'pool', 0, route -> 0 ->> 'name', priority, 'first',
                    accepted_at,
                    coalesce(accepted_at + (route -> 0 ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity'),
                    queue_deadline, (route -> 0 ->> 'priceUsdMicros')::bigint,
                    CASE WHEN id IN (SELECT id FROM admission) THEN (route -> 0 ->> 'priceUsdMicros')::bigint END
             FROM accepted ORDER BY id
           ), owned AS (
             DELETE FROM uploads WHERE id = ANY (ARRAY(SELECT id FROM accepted WHERE input_image IS NOT NULL))
           ), told AS (
             INSERT INTO job_events (job, seq, at, kind, tenant) SELECT id, 1, accepted_at, 'job.queued', tenant FROM accepted
           ), reserved AS MATERIALIZED (
             SELECT reserve_spending(accepted.tenant, day, sum((route -> 0 ->> 'priceUsdMicros')::bigint)::bigint)
             FROM accepted JOIN admission ON admission.id = accepted.id AND verdict = 'fits'
             GROUP BY accepted.tenant, day ORDER BY accepted.tenant
           )
           SELECT id, ${millis('accepted_at')} AS "acceptedAt", NULL::jsonb AS refusal
           -- A statement that nobody reads from does not run.
           FROM accepted WHERE (SELECT count(*) FROM reserved) >= 0
           UNION ALL
           SELECT id, NULL, jsonb_build_object(
             'kind', verdict, 'period', period, 'leftUsdMicros', left_usd_micros, 'priceUsdMicros', price,
             'endsOn', (starts_on + CASE period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END)::date)
           FROM admission JOIN unnest($1::text[], $12::bigint[]) AS asked(id, price) USING (id)
           WHERE verdict IN ('over_budget', 'price_unknown')`,
    values: columnsOf(jobs),
  });
  return rows;
}

/** Jobs that were planned alike have one route, which is sent once: it is most of what a job is. */
function columnsOf(jobs: readonly NewJob[]): unknown[][] {
  const routes = [...new Set(jobs.map(({ route }) => route))];
  return [
    jobs.map(({ id }) => id),
    jobs.map(({ tenant }) => tenant),
    jobs.map(({ idempotency }) => idempotency?.key ?? null),
    jobs.map(({ idempotency }) => idempotency?.fingerprint ?? null),
    jobs.map(({ request }) => JSON.stringify(request)),
    jobs.map(({ route }) => routes.indexOf(route) + 1),
    jobs.map(({ inputImage }) => inputImage),
    jobs.map(({ inputUrl }) => inputUrl),
    jobs.map(({ request }) => priorities.indexOf(request.priority)),
    jobs.map(({ queueTtlSeconds }) => queueTtlSeconds),
    routes.map((route) => JSON.stringify(route)),
    jobs.map(({ route }) => route[0]?.priceUsdMicros ?? null),
  ];
}

/** What exists in the place of a job that was not inserted. */
export interface StandingJob {
  /** The id under which it was to be inserted. */
  readonly askedId: JobId;
  readonly id: JobId;
  readonly fingerprint: string | null;
  readonly acceptedAt: number;
  /** Null once the job has been erased. */
  readonly request: VideoRequest | null;
  readonly model: string;
  readonly route: Route;
  readonly isErased: boolean;
}

/** What a job that exists already is found by. */
export type AskedJob = Pick<NewJob, 'id' | 'tenant' | 'idempotency'>;

/** Reads the jobs that stand in the place of others, by key or else by id. A statement of its own: it must see them. */
export async function findStandingJobs(db: Database, jobs: readonly AskedJob[]): Promise<readonly StandingJob[]> {
  const { rows } = await db.query<StandingJob>({
    name: 'find_standing_jobs',
    text: `SELECT asked.id AS "askedId", jobs.id, encode(keys.fingerprint, 'hex') AS fingerprint,
                  ${millis('jobs.accepted_at')} AS "acceptedAt", jobs.request, jobs.model, jobs.route,
                  jobs.erase_requested_at IS NOT NULL AS "isErased"
           FROM unnest($1::text[], $2::text[], $3::text[]) AS asked(id, tenant, key)
           LEFT JOIN idempotency_keys keys ON keys.tenant = asked.tenant AND keys.key = asked.key
           JOIN jobs ON jobs.id = coalesce(keys.job, asked.id) AND jobs.tenant = asked.tenant`,
    values: [
      jobs.map(({ id }) => id),
      jobs.map(({ tenant }) => tenant),
      jobs.map(({ idempotency }) => idempotency?.key ?? null),
    ],
  });
  return rows;
}
