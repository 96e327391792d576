/** The one row that a function returns. */
export function only<Row>(rows: readonly Row[], source: string): Row {
  const row = rows[0];
  if (row === undefined) throw new Error(`assertion failed: ${source} returned no row`);
  return row;
}

/** SQL for a moment as milliseconds since the epoch, or for a span as milliseconds. Neither may be infinite. */
export function millis(expression: string): string {
  return `(extract(epoch FROM ${expression}) * 1000)::float8`;
}

/** SQL for the classes of a pool as the domain's `Lane`s, in JSON. */
export function lanesOf(pool: string): string {
  return `(SELECT coalesce(jsonb_agg(jsonb_build_object('class', class, 'virtualTime', virtual_time, 'tag', tag)), '[]')
     FROM lanes WHERE lanes.pool = ${pool})`;
}

/** SQL for a moment as milliseconds since the epoch; `-infinity` is the oldest that there is, and zero will do for it. */
export function moment(expression: string): string {
  return `coalesce(extract(epoch FROM nullif(${expression}, '-infinity'))::double precision * 1000, 0)`;
}

/** SQL for a moment as text, in UTC with milliseconds. Null where it is null, or before every other. */
export function iso(expression: string): string {
  return `to_char(nullif(${expression}, '-infinity') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** SQL for the part `models` of a recursive statement: those that a tenant has had, which are few, found by leaps. Ends with a null. */
export function modelsOf(tenant: string): string {
  return `models(model) AS (
            (SELECT model FROM jobs WHERE tenant = ${tenant} ORDER BY model LIMIT 1)
            UNION ALL
            SELECT (SELECT jobs.model FROM jobs WHERE tenant = ${tenant} AND jobs.model > models.model ORDER BY jobs.model LIMIT 1)
            FROM models WHERE models.model IS NOT NULL
          )`;
}
