import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import type { BarePlan, BareReady, BareReport } from './bare/runner.ts';
import type { BurstPlan, BurstReport } from './burst-client.ts';
import { cpuBetween, type CpuUse, readCpu } from './cpu.ts';
import { percentilesOf } from './histogram.ts';
import { forkProgram, messageOf, type Program, startProgram } from './program.ts';
import { root } from './root.ts';
import { type Stage, startSpillway } from './stage.ts';
import { committedTransactions, withClient } from './transactions.ts';

/** One way to make the same job, run once. */
export interface VariantResult {
  readonly name: VariantName;
  readonly jobs: number;
  /** From the first POST to the last settled job. */
  readonly seconds: number;
  readonly errors: number;
  /** Milliseconds of the answer to the POST. */
  readonly answer: { readonly p50: number; readonly p99: number } | undefined;
  readonly cpu: CpuUse;
  readonly eventsPerJob: number;
  readonly transactionsPerJob: number;
}

export type VariantName = 'ours' | 'textbook' | 'bare';

export interface LifecycleSettings {
  readonly jobs: number;
  readonly submittingMax: number;
  /** Over what the bench sets, for our own worker. */
  readonly workerEnv?: Readonly<Record<string, string>>;
}

const warmUpJobs = 50;
const settledWithinMs = 240_000;

interface Served {
  readonly name: VariantName;
  readonly url: string;
  readonly programs: readonly Program[];
  /** How many jobs have ended well, and when the last one did, by the database's clock in milliseconds. */
  readonly settledQuery: string;
}

export async function runOurs(stage: Stage, simulator: Program, settings: LifecycleSettings): Promise<VariantResult> {
  const env = { SUBMITTING_MAX: String(settings.submittingMax), ...settings.workerEnv };
  return await runServed(stage, settings, async () => ({
    name: 'ours',
    url: `http://127.0.0.1:${stage.ports.api}/v1/videos`,
    programs: [await startSpillway(stage, 'api', env), await startSpillway(stage, 'worker', env), simulator],
    settledQuery: `SELECT count(*)::int AS count, (extract(epoch FROM max(finished_at)) * 1000)::float8 AS "lastAt"
                   FROM jobs WHERE id = ANY($1::text[]) AND phase = 'completed'`,
  }));
}

export async function runTextbook(
  stage: Stage,
  simulator: Program,
  settings: LifecycleSettings,
): Promise<VariantResult> {
  const origin = `http://127.0.0.1:${stage.ports.api}`;
  const env = {
    DATABASE_URL: stage.databaseUrl,
    TEMPORAL_ADDRESS: stage.temporalAddress ?? '',
    PORT: String(stage.ports.api),
    VENDOR_ORIGIN: `http://127.0.0.1:${stage.ports.simulator}`,
    CALLBACK_ORIGIN: origin,
    VIDEO_DIRECTORY: join(stage.directory, 'textbook-videos'),
  };
  const start = (part: 'api' | 'worker', readyText: string): Promise<Program> =>
    startProgram({
      name: part,
      script: join(root, `bench/textbook/${part}.ts`),
      env,
      logFile: join(stage.directory, `textbook-${part}.log`),
      readyText,
    });
  await withClient(stage.databaseUrl, (client) =>
    client.query(`CREATE TABLE IF NOT EXISTS textbook_jobs
      (id text PRIMARY KEY, prompt text NOT NULL, status text NOT NULL, video_path text, finished_at timestamptz)`),
  );
  return await runServed(stage, settings, async () => ({
    name: 'textbook',
    url: `${origin}/videos`,
    programs: [await start('api', 'textbook API is up'), await start('worker', 'textbook worker is up'), simulator],
    settledQuery: `SELECT count(*)::int AS count, (extract(epoch FROM max(finished_at)) * 1000)::float8 AS "lastAt"
                   FROM textbook_jobs WHERE id = ANY($1::text[]) AND status = 'completed'`,
  }));
}

async function runServed(
  stage: Stage,
  { jobs }: LifecycleSettings,
  start: () => Promise<Served>,
): Promise<VariantResult> {
  const served = await start();
  const client = forkProgram({ name: 'client', script: join(root, 'bench/burst-client.ts') });
  const ownPrograms = [...served.programs.filter(({ name }) => name !== 'simulator'), client];
  try {
    const measured = [...stage.servers, ...served.programs, client];
    await burst(stage, { served, client, jobs: warmUpJobs });
    const transactionsBefore = await committedTransactions(stage.databaseUrl);
    const before = await readCpu(measured);
    const { report, lastAt, missing } = await burst(stage, { served, client, jobs });
    const after = await readCpu(measured);
    const eventsPerJob = await countEvents(stage, report.ids);
    for (const program of ownPrograms) await program.stop();
    const transactions = (await committedTransactions(stage.databaseUrl)) - transactionsBefore;
    const refused = Object.values(report.errors).reduce((sum, count) => sum + count, 0);
    return {
      name: served.name,
      jobs,
      seconds: (lastAt - report.firstPostAt) / 1_000,
      errors: refused + missing,
      answer: percentilesOf(report.answersMs),
      cpu: cpuBetween(before, after, availableParallelism()),
      eventsPerJob,
      transactionsPerJob: transactions / jobs,
    };
  } finally {
    for (const program of ownPrograms) await program.stop();
  }
}

interface Burst {
  readonly served: Served;
  readonly client: Program;
  readonly jobs: number;
}

interface BurstEnd {
  readonly report: BurstReport;
  readonly lastAt: number;
  /** Accepted, and not settled in time. */
  readonly missing: number;
}

async function burst(stage: Stage, { served, client, jobs }: Burst): Promise<BurstEnd> {
  const reported = messageOf<BurstReport>(client, 'report');
  client.child.send({ url: served.url, apiKey: stage.apiKey, jobs } satisfies BurstPlan);
  const report = await reported;
  const giveUpAt = Date.now() + settledWithinMs;
  return await withClient(stage.databaseUrl, async (database) => {
    for (;;) {
      const { rows } = await database.query<{ count: number; lastAt: number | null }>(served.settledQuery, [
        report.ids,
      ]);
      const { count = 0, lastAt = null } = rows[0] ?? {};
      const missing = report.ids.length - count;
      if (missing === 0 || Date.now() > giveUpAt) return { report, lastAt: lastAt ?? Date.now(), missing };
      await delay(250);
    }
  });
}

export async function runBare(stage: Stage, { jobs, submittingMax }: LifecycleSettings): Promise<VariantResult> {
  const env = { TEMPORAL_ADDRESS: stage.temporalAddress ?? '' };
  const runner = forkProgram({ name: 'worker', script: join(root, 'bench/bare/runner.ts'), env });
  try {
    await messageOf<BareReady>(runner, 'ready');
    const run = async (count: number): Promise<BareReport> => {
      const reported = messageOf<BareReport>(runner, 'report');
      runner.child.send({ jobs: count, startingMax: submittingMax } satisfies BarePlan);
      return await reported;
    };
    await run(warmUpJobs);
    const measured = [...stage.servers, runner];
    const before = await readCpu(measured);
    const { seconds, ids } = await run(jobs);
    const after = await readCpu(measured);
    return {
      name: 'bare',
      jobs,
      seconds,
      errors: 0,
      answer: undefined,
      cpu: cpuBetween(before, after, availableParallelism()),
      eventsPerJob: await countEvents(stage, ids),
      transactionsPerJob: 0,
    };
  } finally {
    await runner.stop();
  }
}

const historiesOfSample = 50;

/** Events of a history, on the average of a sample that is spread over the run. */
async function countEvents(stage: Stage, ids: readonly string[]): Promise<number> {
  // The verdict stands a moment before its workflow has closed.
  await delay(1_000);
  const connection = await Connection.connect({ address: stage.temporalAddress ?? '' });
  try {
    const client = new Client({ connection });
    const every = Math.max(1, Math.floor(ids.length / historiesOfSample));
    const sample = ids.filter((_, index) => index % every === 0);
    let events = 0;
    for (const id of sample) events += (await client.workflow.getHandle(id).fetchHistory()).events?.length ?? 0;
    return events / sample.length;
  } finally {
    await connection.close();
  }
}
