import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';

/**
 * Parts of the fold of arrivals (`foldArrivals`): they note when those were accepted who wait in deep flows. They follow
 * the part `changes`, the arrivals of each flow and how many wait in it now.
 *
 * Who comes is added to the newest bucket of the flow until that is a small share of the line, so there are never more than
 * some hundred of them, however fast or slowly the line grows. Who leaves is taken from the bucket that was theirs: buckets
 * begin where the quarters of a second do that arrivals and departures are drawn together by. Of those accepted before the
 * oldest bucket nothing is noted: they are the head of the line.
 */
export const noteDepths = `
shifts AS (
             -- Mostly of nobody. Each flow brings its own arrivals along: to join all with all is what a flood would not bear.
             SELECT target_name, class, tenant, caller, date_bin('250 milliseconds', moment, 'epoch') AS first_at, sum(count)::int AS n,
                    greatest(waiting * ${limits.depthShareOfBucket}::float8, ${limits.depthTicketsOfBucketMin}) AS bucket_max
             FROM changes CROSS JOIN LATERAL unnest(moments, counts) AS one(moment, count)
             WHERE waiting > ${limits.depthTicketsMin}
             GROUP BY target_name, class, tenant, caller, waiting, first_at
             HAVING sum(count) <> 0
           ), placed AS (
             SELECT shifts.*, newest.from_at AS newest_at,
                    CASE WHEN newest.from_at > first_at THEN earlier.from_at ELSE newest.from_at END AS from_at,
                    CASE WHEN newest.from_at > first_at THEN earlier.n ELSE newest.n END AS held
             FROM shifts
             LEFT JOIN LATERAL (
               SELECT from_at, n FROM depths
               WHERE depths.pool = $1 AND (depths.target_name, depths.class, depths.tenant, depths.caller)
                   = (shifts.target_name, shifts.class, shifts.tenant, shifts.caller)
               ORDER BY from_at DESC LIMIT 1
             ) AS newest ON true
             LEFT JOIN LATERAL (
               SELECT from_at, n FROM depths
               WHERE newest.from_at > first_at AND depths.pool = $1
                 AND (depths.target_name, depths.class, depths.tenant, depths.caller)
                   = (shifts.target_name, shifts.class, shifts.tenant, shifts.caller) AND from_at <= first_at
               ORDER BY from_at DESC LIMIT 1
             ) AS earlier ON true
           ), cut AS (
             SELECT *, floor((coalesce(held, 0) + sum(n) OVER (PARTITION BY target_name, class, tenant, caller ORDER BY first_at) - 1)
                             / bucket_max) AS part
             FROM placed WHERE n > 0 AND from_at IS NOT DISTINCT FROM newest_at
           ), deepened AS (
             INSERT INTO depths (pool, target_name, class, tenant, caller, from_at, n)
             SELECT $1, target_name, class, tenant, caller, at, sum(n) FROM (
               SELECT target_name, class, tenant, caller, n, from_at AS at
               FROM placed WHERE from_at IS NOT NULL AND (n < 0 OR from_at < newest_at)
               UNION ALL
               SELECT target_name, class, tenant, caller, sum(n),
                      CASE WHEN part = 0 THEN coalesce(min(from_at), min(first_at)) ELSE min(first_at) END
               FROM cut GROUP BY target_name, class, tenant, caller, part
             ) AS changed
             GROUP BY target_name, class, tenant, caller, at
             ON CONFLICT (pool, target_name, class, tenant, caller, from_at) DO UPDATE SET n = depths.n + excluded.n
           )`;

/** Removes buckets that lie before the head of their line, as many at once as one statement may. Returns how many. */
export async function forgetDepths(db: Database): Promise<number> {
  const { rowCount } = await db.query({
    name: 'forget_depths',
    text: `WITH line AS (
             SELECT pool, target_name, class, tenant, caller,
                    coalesce(
                      (SELECT accepted_at FROM tickets
                       WHERE tickets.pool = depths.pool AND tickets.target_name = depths.target_name
                         AND tickets.priority = depths.class AND tickets.tenant = depths.tenant AND tickets.caller = depths.caller
                         AND kind <> 'overlap' AND NOT parked
                       ORDER BY accepted_at NULLS FIRST, id LIMIT 1), 'infinity') AS head_at
             FROM depths GROUP BY pool, target_name, class, tenant, caller
           )
           DELETE FROM depths WHERE ctid = ANY (ARRAY(
             SELECT depths.ctid FROM line JOIN depths USING (pool, target_name, class, tenant, caller)
             WHERE from_at <= head_at AND (head_at = 'infinity' OR EXISTS (
               SELECT 1 FROM depths later
               WHERE (later.pool, later.target_name, later.class, later.tenant, later.caller)
                   = (depths.pool, depths.target_name, depths.class, depths.tenant, depths.caller)
                 AND later.from_at > depths.from_at AND later.from_at <= head_at))
             LIMIT ${limits.depthsForgottenMax} FOR UPDATE OF depths SKIP LOCKED))`,
  });
  return rowCount ?? 0;
}
