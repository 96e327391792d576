import { execFile } from 'node:child_process';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { migrate as migrateFrom } from '../../src/db/migrate.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { programArgs, project } from '../support/program.ts';
import { createDeployer, startQuickServer } from '../support/rolled-out.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { useStack } from '../support/stack.ts';
import { type Load, startLoad } from '../support/steady-load.ts';
import { until } from '../support/until.ts';

/** Requests a second. The aim is 300, on a machine of its own: SPILLWAY_DEPLOY_RPS=300. */
const ratePerSecond = Number(process.env['SPILLWAY_DEPLOY_RPS'] ?? 10);
/** The old build makes what it has begun: on a busy machine that takes longer than the rest of the deployment. */
const patience = { withinMs: 2_400_000, everyMs: 500 };
const apis = ['api', 'api-2'] as const;
/** So many videos are all waited for. Of more, which two cores can't make in time, so many and whatever ends beside them. */
const madeMax = 3_000;
let isAllMade = true;

let server: Awaited<ReturnType<typeof startQuickServer>> | undefined;
const stack = useStack(async () => {
  server = await startQuickServer();
  return {
    temporalAddress: server.address,
    counts: { api: 2, worker: 1 },
    // The one account of the simulator's that takes thousands at once: others refuse, and who is refused waits behind the backlog.
    providers: ['wavespeed'],
    limits: { outstanding: 5_000, perMinute: 5_000 },
    endsSound: () => isAllMade,
    env: { WORKER_BUILD_ID: 'old', SHUTDOWN_WAIT_SECONDS: '2' },
  };
});
const deployer = await createDeployer(() => stack.env);
afterAll(async () => {
  await deployer.close();
  await server?.stop();
});

async function untilMore(load: Load, count: number): Promise<void> {
  const before = load.accepted.length;
  await until('the load goes on', () => load.accepted.length >= before + count, patience);
}

/**
 * What a next release would add to the tables that the load is written to, and what its `migrate` does besides: seeds, search
 * attributes. Everything of this release has run before the load.
 */
async function migrate(): Promise<void> {
  const directory = await makeTestDirectory();
  try {
    await cp(join(project, 'migrations'), directory, { recursive: true });
    const add = (file: string, ...lines: readonly string[]): Promise<void> =>
      writeFile(join(directory, file), ['-- Up Migration', ...lines].join('\n'));
    const tables = ['jobs', 'tickets', 'attempts', 'flows'];
    // A file each, so that none keeps its lock while it waits for another's.
    for (const [index, table] of tables.entries())
      await add(`090${index}_next_${table}.sql`, `ALTER TABLE ${table} ADD COLUMN next integer DEFAULT 0;`);
    const build = (table: string): readonly string[] => [
      `DROP INDEX CONCURRENTLY IF EXISTS next_${table};`,
      `CREATE INDEX CONCURRENTLY next_${table} ON ${table} (next);`,
    ];
    await add('0910_indexes.sql', '-- Without a transaction', ...tables.flatMap(build));
    await migrateFrom({ url: stack.env['DATABASE_URL'] ?? '', directory, log: () => undefined });
  } finally {
    await rm(directory, { recursive: true });
  }
  await promisify(execFile)(process.execPath, [...programArgs, 'migrate'], { cwd: project, env: stack.env });
  const rows = await read(
    `SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE 'next\\_%' AND indisvalid`,
  );
  expect(rows).toHaveLength(4);
}

/** The old build's process is the stack's own, so that the test ends it when it may be. */
async function replaceWorkers(): Promise<void> {
  const run = deployer.run('roll-out', 'new', ...deployer.hooks.slice(0, 2));
  await until('the old build is drained', () => run.output().includes('old is drained'), patience);
  expect(await run.code).toBe(0);
  expect(await stack.end('worker', 'SIGTERM')).toEqual({ code: 0, signal: null });
}

async function replaceApis(load: Load): Promise<void> {
  for (const name of apis) {
    expect(await stack.end(name, 'SIGTERM')).toEqual({ code: 0, signal: null });
    // As whoever keeps processes running does it: on a machine that is busy Postgres may be late for the first one.
    await until(`${name} is up`, () => stack.start(name).then(() => true), patience);
    await untilMore(load, 2 * ratePerSecond);
  }
}

/** Why a task of the workflow failed. A signal that comes as it closes is none of it: the task is done again with it. */
async function taskFailures(workflowId: string): Promise<readonly string[]> {
  const { events } = await stack.temporal.workflow.getHandle(workflowId).fetchHistory();
  const unhandledCommand = 1;
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed && Number(failed.cause) !== unhandledCommand ? [`${workflowId}: ${failed.failure?.message}`] : [],
  );
}

async function buildOf(workflowId: string): Promise<string | undefined> {
  const { raw } = await stack.temporal.workflow.getHandle(workflowId).describe();
  return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? undefined;
}

async function ofEach<Answer>(
  ids: readonly string[],
  ask: (id: string) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const rest = [...ids];
  const worker = async (): Promise<void> => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) answers.push(await ask(id));
  };
  await Promise.all(Array.from({ length: 10 }, worker));
  return answers;
}

async function expectAllMade(ids: readonly string[]): Promise<void> {
  ids.forEach((id) => stack.follow(id));
  const videos = await stack.untilAllFinal(ids, patience);
  expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
}

/** As a test does that puts so much on the server that this one may be late for a connection. */
async function read<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  return await until(
    'the database answers',
    async () => (await stack.pool.query<Row>(sql, [...values])).rows,
    patience,
  );
}

/** Each accepted job has its row: it has ended well, or is on its way. Returns how many have ended. */
async function expectKept(ids: readonly string[]): Promise<number> {
  const rows = await read<{ kept: number; made: number }>(
    `SELECT count(*)::int AS kept, count(*) FILTER (WHERE phase = 'completed')::int AS made FROM jobs
     WHERE id = ANY ($1::text[]) AND (phase = 'completed' OR (finished_at IS NULL AND (
       EXISTS (SELECT 1 FROM tickets WHERE job = jobs.id) OR EXISTS (SELECT 1 FROM permits WHERE job = jobs.id)
       OR EXISTS (SELECT 1 FROM attempts WHERE job = jobs.id))))`,
    [ids],
  );
  expect(rows[0]?.kept).toBe(ids.length);
  return rows[0]?.made ?? 0;
}

/** Those that were sent to a vendor, in the order of their acceptance. */
async function sentOf(ids: readonly string[]): Promise<readonly string[]> {
  const rows = await read<{ job: string }>(
    'SELECT DISTINCT job FROM attempts WHERE job = ANY ($1::text[]) ORDER BY job',
    [ids],
  );
  return rows.map(({ job }) => job);
}

/** No task of a workflow has failed, and each has run on one of the two builds, both of which had some. */
async function expectCarried(ids: readonly string[]): Promise<void> {
  expect(new Set(await ofEach(ids, buildOf))).toEqual(new Set(['old', 'new']));
  expect((await ofEach(ids, taskFailures)).flat()).toEqual([]);
}

/** Whatever was sent, of jobs that have ended and of others, was sent once. */
async function expectSentOnce(): Promise<number> {
  const submits = await stack.vendor.submits();
  expect(submits.filter((one) => one.submits !== 1)).toEqual([]);
  expect(new Set(submits.map(({ correlation }) => correlation)).size).toBe(submits.length);
  return submits.length;
}

test(`schema, workers and APIs are replaced under ${ratePerSecond} requests a second: nobody notices`, async () => {
  expect(await deployer.run('set-current', 'old').code).toBe(0);
  // They wait for as long as may be: a line that two cores are behind with is no refusal of the deployment's.
  const wish = { model: 'wan-2.6', prompt: 'a fox', seconds: 5, queue_ttl_seconds: limits.queueTtlSecondsMax };
  const backends = apis.map((name) => ({ url: stack.apiUrl(name), opsUrl: stack.opsUrl(name) }));
  const load = startLoad({ backends, wish, ratePerSecond });
  try {
    await untilMore(load, 5 * ratePerSecond);
    load.during = 'migrate';
    await migrate();
    load.during = 'workers';
    await replaceWorkers();
    load.during = 'APIs';
    await replaceApis(load);
  } finally {
    await load.stop();
  }
  const { accepted } = load;
  expect(load.refused).toEqual([]);
  isAllMade = accepted.length <= madeMax;
  await (isAllMade ? expectAllMade(accepted) : until('the new build makes videos', () => madeBy('new'), patience));
  const made = await expectKept(accepted);
  const followed = spread(await sentOf(accepted), madeMax);
  await expectCarried(followed);
  const sent = await expectSentOnce();
  process.stdout.write(
    `${accepted.length} accepted, none refused, each kept: ${made} made, ${followed.length} histories read, ${sent} submits\n`,
  );
}, 3_600_000);

/** Whether the last that was made is that build's. */
async function madeBy(build: string): Promise<boolean> {
  const { rows } = await stack.pool.query<{ id: string }>(
    `SELECT id FROM jobs WHERE phase = 'completed' ORDER BY finished_at DESC LIMIT 1`,
  );
  return rows[0] !== undefined && (await buildOf(rows[0].id)) === build;
}

/** Over the whole time, so that both builds have their part. */
function spread(ids: readonly string[], count: number): readonly string[] {
  const step = Math.max(1, ids.length / count);
  return ids.filter((_, index) => Math.floor(index / step) > Math.floor((index - 1) / step));
}
