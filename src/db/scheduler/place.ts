import type { JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Lane } from '../../domain/lanes.ts';
import type { Depth } from '../../domain/flow-depth.ts';
import type { Database } from '../pool.ts';
import { lanesOf, millis } from '../sql.ts';

/** A ticket that waits, and where: all of it read without a lock, and in as many pages however long the line is. */
export interface WaitingPlace {
  readonly job: JobId;
  readonly pool: string;
  readonly target: string;
  readonly tenant: string;
  /** Of its tenant. */
  readonly weight: number;
  /** The index in `priorities`. */
  readonly class: number;
  /** What the attempt will cost, in millionths of a US dollar. Null: unknown. */
  readonly priceUsdMicros: number | null;
  /** Milliseconds until it stands in line. Null: it does. */
  readonly parkedMs: number | null;
  /** Its tenant's budget had no room for it when last looked at. */
  readonly isOverBudget: boolean;
  /** An operator has paused its tenant. Absent: nobody has. */
  readonly isHeld?: boolean;
  /** Its flow, as it stands. Nulls: it has not been folded yet. */
  readonly tag: number | null;
  readonly since: number | null;
  /** Tickets of its flow that wait for other targets of the pool, by target, if their turn comes before. */
  readonly besides: Readonly<Record<string, number>>;
  readonly depth: Depth;
  readonly lanes: readonly Lane[];
}

const ofLine = (table: string): string =>
  `${table}.pool = mine.pool AND ${table}.target_name = mine.target_name AND ${table}.tenant = mine.tenant AND ${table}.caller = mine.caller`;
const ofFlow = (table: string): string => `${ofLine(table)} AND ${table}.class = mine.priority`;
const inLine = `${ofLine('tickets')} AND tickets.priority = mine.priority AND tickets.kind <> 'overlap' AND NOT tickets.parked`;
/** Arrivals of a pool that are looked at before they are folded: as many as one pass folds. */
const arrivalsReadMax = 5_000;

/**
 * Where the waiting tickets of jobs stand; those that have none, or one that yields to everybody, are left out. `active` is asked only
 * of what was found, so that the planner, who may have seen an empty table, has no index to go by but the key. Nor does he
 * know what tickets and arrivals are limited to: then he expects a tenth of them, and the index that has them in order is the cheapest
 * way, where for a number close to theirs it would look as well to read and sort them all.
 */
export async function findPlaces(db: Database, jobs: readonly JobId[]): Promise<readonly WaitingPlace[]> {
  const { rows } = await db.query<WaitingPlace>({
    name: 'find_places',
    text: `SELECT place.* FROM unnest($1::text[]) AS asked(job) CROSS JOIN LATERAL (
           SELECT mine.job, mine.pool, mine.target_name AS target, mine.tenant,
                  mine.priority AS class,
                  coalesce((SELECT weight FROM tenants WHERE tenants.id = mine.tenant), 1) AS weight,
                  mine.price_usd_micros::float8 AS "priceUsdMicros",
                  CASE WHEN mine.parked THEN greatest(${millis('mine.not_before - clock_timestamp()')}, 0) END AS "parkedMs",
                  mine.over_budget AS "isOverBudget",
                  EXISTS (SELECT 1 FROM pauses_in_force WHERE pauses_in_force.kind = 'tenant' AND subject = mine.tenant) AS "isHeld",
                  CASE WHEN flow.active THEN flow.tag END AS tag,
                  coalesce(CASE WHEN flow.active THEN flow.since END, pending.since)::float8 AS since,
                  (SELECT coalesce(jsonb_object_agg(target_name, waiting), '{}') FROM (
                     SELECT * FROM flows
                     WHERE flows.pool = mine.pool AND flows.class = mine.priority AND flows.tenant = mine.tenant
                       AND flows.caller = mine.caller
                     OFFSET 0
                   ) AS own WHERE own.active AND own.target_name <> mine.target_name AND own.since < flow.since) AS besides,
                  jsonb_build_object(
                    'ahead', ahead.count, 'waiting', coalesce(flow.waiting, 0) + pending.count, 'later', later.count,
                    'behind', behind.count, 'bucket', coalesce(bucket.n, 0),
                    'shareBehind', CASE WHEN behind.count = ${limits.placesBehindCountedMax} THEN
                      (SELECT (max(id) - mine.id)::float8 / greatest(max(id) - min(id), 1) FROM (
                        (SELECT id FROM tickets WHERE ${inLine} AND tickets.accepted_at >= bucket.from_at
                         ORDER BY accepted_at NULLS FIRST, id LIMIT 1)
                        UNION ALL
                        (SELECT id FROM tickets WHERE ${inLine} AND tickets.accepted_at < coalesce(later.from_at, 'infinity')
                         ORDER BY accepted_at DESC NULLS LAST, id DESC LIMIT 1)) AS ends) END) AS depth,
                  ${lanesOf('mine.pool')} AS lanes
           FROM tickets mine
           LEFT JOIN flows flow ON ${ofFlow('flow')}
           CROSS JOIN LATERAL (
             SELECT coalesce(sum(n), 0)::int AS count, min(id) FILTER (WHERE n > 0) AS since
             FROM (SELECT * FROM arrivals WHERE arrivals.pool = mine.pool ORDER BY id LIMIT (SELECT ${arrivalsReadMax})) AS arrivals
             WHERE ${ofFlow('arrivals')}
           ) AS pending
           CROSS JOIN LATERAL (
             SELECT count(*)::int AS count FROM (
               SELECT FROM tickets WHERE ${inLine} AND (tickets.accepted_at, tickets.id) < (mine.accepted_at, mine.id)
               ORDER BY accepted_at DESC NULLS LAST, id DESC LIMIT (SELECT ${limits.placesAheadCountedMax})
             ) AS before
           ) AS ahead
           LEFT JOIN LATERAL (
             SELECT from_at, n FROM depths
             WHERE ${ofFlow('depths')} AND depths.from_at <= mine.accepted_at AND ahead.count = ${limits.placesAheadCountedMax}
             ORDER BY from_at DESC LIMIT 1
           ) AS bucket ON true
           CROSS JOIN LATERAL (
             SELECT coalesce(sum(n), 0)::int AS count, min(from_at) AS from_at FROM depths
             WHERE ${ofFlow('depths')} AND depths.from_at > coalesce(bucket.from_at, '-infinity')
               AND ahead.count = ${limits.placesAheadCountedMax}
           ) AS later
           CROSS JOIN LATERAL (
             -- The end of the bucket is asked of what was found: with both ends tickets_by_age would look like a way.
             SELECT (count(*) FILTER (WHERE accepted_at < coalesce(later.from_at, 'infinity')))::int AS count FROM (
               SELECT accepted_at FROM tickets
               WHERE ${inLine} AND (tickets.accepted_at, tickets.id) > (mine.accepted_at, mine.id)
                 AND ahead.count = ${limits.placesAheadCountedMax}
               ORDER BY accepted_at NULLS FIRST, id LIMIT (SELECT ${limits.placesBehindCountedMax})
             ) AS after
           ) AS behind
           WHERE mine.job = asked.job AND mine.kind <> 'overlap'
           -- One after the other, as the planner would have it for one.
           OFFSET 0) AS place`,
    values: [jobs],
  });
  return rows;
}
