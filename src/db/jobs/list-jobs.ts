import type { JobId, JobPhase, OwnedJob } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Database } from '../pool.ts';
import { type JobView, selectJobs } from './read-jobs.ts';
import { withRoutes, type WithRouteText } from './remembered-route.ts';
import { modelsOf } from '../sql.ts';

/** A page of a tenant's jobs, in the order of their acceptance, which is that of their ids. */
export interface JobPage {
  readonly tenant: string;
  readonly order: 'asc' | 'desc';
  /** The page begins behind it, whether or not there is such a job. */
  readonly after: JobId | undefined;
  readonly count: number;
  readonly phase: JobPhase | undefined;
  readonly model: string | undefined;
}

/** Reads a page by its keys, and then the jobs themselves: however many others there are, the work is that of the page. */
export async function listJobs(db: Database, page: JobPage): Promise<readonly JobView[]> {
  const { tenant, order, after, count, phase, model } = page;
  const keysMax = count <= shortMax ? shortMax : limits.listedMax + 1;
  const { rows } = await db.query<WithRouteText<JobView>>({
    name: `list_jobs_${order}_${keysMax}`,
    text: `${selectJobs}
           JOIN (SELECT id FROM (${keysOf(order, keysMax)}) AS keys LIMIT $3) AS page USING (id)
           ORDER BY jobs.id ${order}`,
    values: [tenant, after ?? endOf[order], count, phase ?? null, model ?? null],
  });
  return withRoutes<JobView>(rows);
}

/** What most pages have, and one more to know whether there is more. */
const shortMax = limits.listedDefault + 1;
/** What every id lies behind. */
const endOf = { asc: '', desc: 'video_g' } as const;
const behind = { asc: '>', desc: '<' } as const;

/**
 * One short walk for each model and each status, merged: the models of a tenant are few, and found by leaps. The limit of a
 * walk is a number in the text, for of one that the planner does not know he expects a tenth of the table. A null is no
 * constant to him, so he is told to order by it, which is how the index has it.
 */
function keysOf(order: JobPage['order'], keysMax: number): string {
  return `WITH RECURSIVE ${modelsOf('$1')}
          SELECT found.id
          FROM (SELECT model FROM models WHERE $5::text IS NULL AND model IS NOT NULL UNION ALL SELECT $5 WHERE $5 IS NOT NULL) AS wanted(model)
          CROSS JOIN unnest(CASE WHEN $4::text IS NULL THEN '{queued,in_progress,completed,failed,cancelled}' ELSE ARRAY[$4::text] END) AS status(phase)
          CROSS JOIN LATERAL (
            SELECT jobs.id FROM jobs
            WHERE jobs.tenant = $1 AND jobs.model = wanted.model AND jobs.phase = status.phase
              AND jobs.erase_requested_at IS NULL AND jobs.id ${behind[order]} $2::text
            ORDER BY jobs.erase_requested_at ${order}, jobs.id ${order} LIMIT ${keysMax}
          ) AS found
          ORDER BY found.id ${order} LIMIT ${keysMax}`;
}

/** Jobs by their ids, whosoever they are, in no order: for streams, whose readers were found to be their owners. */
export async function findJobs(db: Database, ids: readonly JobId[]): Promise<readonly JobView[]> {
  const { rows } = await db.query<WithRouteText<JobView>>({
    name: 'find_jobs',
    text: `${selectJobs}
           WHERE jobs.id = ANY($1::text[])`,
    values: [ids],
  });
  return withRoutes<JobView>(rows);
}

/** Jobs as their owners name them, in no order. */
export async function findOwnJobs(db: Database, jobs: readonly OwnedJob[]): Promise<readonly JobView[]> {
  const { rows } = await db.query<WithRouteText<JobView>>({
    name: 'find_own_jobs',
    text: `${selectJobs}
           JOIN unnest($1::text[], $2::text[]) AS asked(id, tenant) ON asked.id = jobs.id AND asked.tenant = jobs.tenant`,
    values: [jobs.map(({ id }) => id), jobs.map(({ tenant }) => tenant)],
  });
  return withRoutes<JobView>(rows);
}
