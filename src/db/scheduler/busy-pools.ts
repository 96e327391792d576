import type pg from 'pg';
import type { PoolGlance } from '../../domain/grants.ts';
import { moment } from '../sql.ts';

/** A pool where somebody waits, and whether a pass has a chance there. Without a lock: what it counts is a hint. */
export interface BusyPool extends Omit<PoolGlance, 'submittingMax'> {
  readonly id: string;
  /** The line has changed since the last pass, or the account has said something. What is held was not counted then. */
  readonly hasNews: boolean;
  /** Somebody was told to come back now. */
  readonly hasDue: boolean;
}

/** Departures alone are no news, unless there are so many. */
const arrivalsLookedAtMax = 100;

/** Each question is asked with a bound, and only where the one before has not settled it: this runs all the time. */
export async function findBusyPools(connection: Pick<pg.Pool, 'query'>): Promise<readonly BusyPool[]> {
  const { rows } = await connection.query<BusyPool>({
    name: 'find_busy_pools',
    text: `SELECT id, CASE WHEN limits.is_paused THEN 0 ELSE limits.outstanding_max END AS "outstandingMax",
                  limits.per_minute_max AS "perMinuteMax",
                  ${moment('next_start_at')} AS "nextStartAt", ${moment('clock_timestamp()')} AS now,
                  held.outstanding, held.submitting, news.are AS "hasNews", due.is AS "hasDue"
           FROM pools JOIN limits_in_force AS limits ON limits.pool = pools.id
           CROSS JOIN LATERAL (
             SELECT (SELECT id FROM tickets
                     WHERE tickets.pool = pools.id AND parked AND not_before <= (SELECT clock_timestamp())
                     ORDER BY not_before LIMIT 1) IS NOT NULL AS is
             OFFSET 0
           ) AS due
           CROSS JOIN LATERAL (
             SELECT coalesce(nullif(due.is, false),
                             (SELECT nullif(bool_or(n > 0) OR count(*) = ${arrivalsLookedAtMax}, false)
                              FROM (SELECT n FROM arrivals WHERE arrivals.pool = pools.id ORDER BY id LIMIT ${arrivalsLookedAtMax}) AS first),
                             (SELECT true FROM throttles WHERE throttles.pool = pools.id LIMIT 1),
                             -- A tenant's pause is over.
                             (SELECT true FROM held_tenants
                              WHERE held_tenants.pool = pools.id AND NOT EXISTS (
                                SELECT 1 FROM pauses_in_force WHERE kind = 'tenant' AND subject = held_tenants.tenant)
                              LIMIT 1), false) AS are
             OFFSET 0
           ) AS news
           CROSS JOIN LATERAL (
             SELECT count(*)::int AS outstanding, (count(*) FILTER (WHERE permits.submitting))::int AS submitting
             FROM permits WHERE permits.pool = pools.id AND NOT news.are
           ) AS held
           WHERE news.are
             OR coalesce((SELECT true FROM flows WHERE flows.pool = pools.id AND flows.active LIMIT 1),
                         (SELECT true FROM tickets WHERE tickets.pool = pools.id AND kind = 'overlap' AND NOT parked LIMIT 1))
           ORDER BY id`,
  });
  return rows;
}
