import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { createDeployer, startQuickServer } from '../support/rolled-out.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

/** Requests a second. The aim is 300, on a machine of its own: SPILLWAY_DEPLOY_RPS=300. */
const ratePerSecond = Number(process.env['SPILLWAY_DEPLOY_RPS'] ?? 10);
/** What was accepted meanwhile has to be made: on a busy machine that takes longer than the deployment. */
const patience = { withinMs: 2_400_000, everyMs: 500 };

let server: Awaited<ReturnType<typeof startQuickServer>> | undefined;
const stack = useStack(async () => {
  server = await startQuickServer();
  return {
    temporalAddress: server.address,
    counts: { api: 2, worker: 1 },
    env: { WORKER_BUILD_ID: 'old', SHUTDOWN_WAIT_SECONDS: '2' },
  };
});
const deployer = await createDeployer(() => stack.env);
afterAll(async () => {
  await deployer.close();
  await server?.stop();
});

interface Load {
  readonly accepted: string[];
  /** Answers that are none of success, and requests without one. */
  readonly refused: string[];
  /** What is being replaced, to be told beside them. */
  during: string;
  stop(): Promise<void>;
}

/** Sends each request at its time, whatever became of those before it. */
function startLoad(): Load {
  const [accepted, refused]: [string[], string[]] = [[], []];
  const underWay = new Set<Promise<void>>();
  let open = true;
  const load = { accepted, refused, during: 'nothing', stop };
  const refuse = (began: string, what: string): void => void refused.push(`${began}, ${load.during}: ${what}`);
  const send = async (): Promise<void> => {
    const began = load.during;
    try {
      const response = await stack.post({ prompt: 'a fox', seconds: 5 });
      const body = await response.text();
      if (response.status === 202) accepted.push(JSON.parse(body).id);
      else refuse(began, `${response.status} ${body.slice(0, 200)}`);
    } catch (error) {
      refuse(began, error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error));
    }
  };
  const startedAt = performance.now();
  const clock = async (): Promise<void> => {
    for (let sent = 0; open; sent += 1) {
      const dueAt = startedAt + (sent * 1_000) / ratePerSecond;
      if (dueAt > performance.now()) await delay(dueAt - performance.now());
      const way = send().finally(() => underWay.delete(way));
      underWay.add(way);
    }
  };
  const sending = clock();
  async function stop(): Promise<void> {
    open = false;
    await sending;
    await Promise.all(underWay);
  }
  return load;
}

async function untilMore(load: Load, count: number): Promise<void> {
  const before = load.accepted.length;
  await until('the load goes on', () => load.accepted.length >= before + count, patience);
}

async function migrate(): Promise<void> {
  const args = ['--import', 'tsx', 'src/main/cli.ts', 'migrate'];
  await promisify(execFile)(process.execPath, args, { cwd: join(import.meta.dirname, '../..'), env: stack.env });
}

/** The old build's process is the stack's own, so that the test ends it when it may be. */
async function replaceWorkers(): Promise<void> {
  const run = deployer.run('roll-out', 'new', ...deployer.hooks.slice(0, 2));
  await until('the old build is drained', () => run.output().includes('old is drained'), patience);
  expect(await run.code).toBe(0);
  expect(await stack.end('worker', 'SIGTERM')).toEqual({ code: 0, signal: null });
}

async function replaceApis(load: Load): Promise<void> {
  for (const name of ['api', 'api-2'] as const) {
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

test(`schema, workers and APIs are replaced under ${ratePerSecond} requests a second: nobody notices`, async () => {
  expect(await deployer.run('set-current', 'old').code).toBe(0);
  const load = startLoad();
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
  expect(load.refused).toEqual([]);
  load.accepted.forEach((id) => stack.follow(id));

  const videos = await stack.untilAllFinal(load.accepted, patience);
  expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
  expect(new Set(await ofEach(load.accepted, buildOf))).toEqual(new Set(['old', 'new']));
  expect((await ofEach(load.accepted, taskFailures)).flat()).toEqual([]);
  const submits = await stack.vendor.submits();
  expect(submits.filter((one) => one.submits !== 1)).toEqual([]);
  expect(new Set(submits.map(({ correlation }) => correlation)).size).toBe(submits.length);
}, 3_600_000);
