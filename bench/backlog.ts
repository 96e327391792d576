import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { type InsertedJob, insertJobs, type NewJob } from '../src/db/jobs/accept.ts';
import { createPool } from '../src/db/pool.ts';
import { createWakeUps } from '../src/db/wake-ups.ts';
import { benchModel } from './catalogue.ts';
import type { Stage } from './stage.ts';
import { withClient } from './transactions.ts';

/** A job as the API would insert it, but for its id and its owner. */
export type Template = Pick<NewJob, 'request' | 'route'>;

/** The API's one tenant; its key is the stage's. */
export const apiTenant = 'default';

/** Lets the API plan one job, and reads what it has made of it: the jobs of a bench are to be like those of a client. */
export async function readTemplate(stage: Stage): Promise<Template> {
  const answer = await fetch(`http://127.0.0.1:${stage.ports.api}/v1/videos`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${stage.apiKey}`,
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify({ prompt: 'Waves at dusk, a slow pan to the lighthouse', model: benchModel, seconds: 5 }),
    signal: AbortSignal.timeout(10_000),
  });
  if (answer.status !== 202)
    throw new Error(`The first job was answered with ${answer.status}: ${await answer.text()}`);
  const id = (answer.headers.get('location') ?? '').slice('/v1/videos/'.length);
  return await withClient(stage.databaseUrl, async (client) => {
    const { rows } = await client.query<Template>('SELECT request, route FROM jobs WHERE id = $1', [id]);
    const [template] = rows;
    if (template === undefined) throw new Error(`${id} was accepted and is not in the database.`);
    return template;
  });
}

export interface Owner {
  readonly tenant: string;
  /** The tenant's end user. */
  readonly user: string;
}

export interface Line {
  /** Inserts jobs as accept does, and wakes the dispatchers. */
  add(owners: readonly Owner[]): Promise<readonly InsertedJob[]>;
  /** Jobs that wait for a permit now. */
  countWaiting(): Promise<number>;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

const jobsOfStatement = 1_000;
const statementTimeoutMs = 60_000;

/** The queue, fed without the API: what comes after accept is to be measured, and accept takes its time. */
export function openLine(stage: Stage, template: Template): Line {
  const onError = (): undefined => undefined;
  const url = stage.databaseUrl;
  const pool = createPool({ url, connectionsMax: 4, name: 'bench', statementTimeoutMs, onError });
  const wakeUps = createWakeUps(pool);
  return {
    pool,
    async add(owners) {
      const inserted: InsertedJob[] = [];
      for (let from = 0; from < owners.length; from += jobsOfStatement) {
        const jobs = owners.slice(from, from + jobsOfStatement).map((owner) => jobOf(template, owner));
        inserted.push(...(await insertJobs(pool, jobs)).filter((job) => job.refusal === null));
      }
      wakeUps.send('grant');
      return inserted;
    },
    async countWaiting() {
      const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM tickets');
      return rows[0]?.count ?? 0;
    },
    close: () => pool.end(),
  };
}

const queueTtlSeconds = 86_400;

function jobOf({ request, route }: Template, { tenant, user }: Owner): NewJob {
  return {
    id: `video_${uuidv7()}`,
    tenant,
    request: { ...request, user },
    route,
    inputImage: null,
    inputUrl: null,
    queueTtlSeconds,
    idempotency: null,
  };
}

/** So many jobs of one tenant, its users taking turns. */
export function ownersOf({ jobs, tenant, users }: { jobs: number; tenant: string; users: number }): readonly Owner[] {
  return Array.from({ length: jobs }, (_, index) => ({ tenant, user: `user-${index % users}` }));
}
