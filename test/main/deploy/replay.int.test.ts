import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { assetTaskQueue, taskQueue } from '../../../src/contracts/generate-video.ts';
import { enforceRetentionType } from '../../../src/contracts/enforce-retention.ts';
import { runCommand } from '../../../src/embedded/processes.ts';
import { makeTestDirectory } from '../../support/servers.ts';
import { programArgs, project } from '../../support/program.ts';
import { createNamespace } from '../../support/temporal-namespace.ts';
import { bundleWorkflows } from '../../workflows/bundle.ts';

const histories = join(import.meta.dirname, '../../histories');
let directory: string;
let namespace: string;

beforeAll(async () => {
  directory = await makeTestDirectory();
  const address = inject('temporalAddress');
  const connection = await Connection.connect({ address });
  namespace = await createNamespace(connection, address);
  await runTwice(new Client({ connection, namespace }), address);
  await connection.close();
});
afterAll(async () => await rm(directory, { recursive: true, force: true }));

/** Runs of a workflow of ours, as a production has them. */
async function runTwice(client: Client, address: string): Promise<void> {
  const connection = await NativeConnection.connect({ address });
  const common = { connection, namespace };
  const removeExpired = async () => ({ assets: 0, inputs: 0, uploads: 0, isMore: false });
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue, workflowBundle: await bundleWorkflows() }),
    Worker.create({ ...common, taskQueue: assetTaskQueue, activities: { removeExpired } }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  for (const workflowId of ['once', 'again'])
    await client.workflow.execute(enforceRetentionType, { taskQueue, workflowId });
  for (const worker of workers) worker.shutdown();
  await running;
  await connection.close();
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

async function replay(...words: readonly string[]): Promise<Ended> {
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, TEMPORAL_ADDRESS: inject('temporalAddress'), TEMPORAL_NAMESPACE: namespace };
  return await new Promise((resolve) => {
    execFile(process.execPath, [...programArgs, 'replay', ...words], { cwd: project, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

test('what Temporal’s own command line exports can be replayed, and so can what a namespace holds', async () => {
  const where = ['--address', inject('temporalAddress'), '--namespace', namespace];
  const args = ['workflow', 'show', '--workflow-id', 'once', '--output', 'json', ...where];
  const shown = await runCommand({ command: inject('temporalCliPath'), args, timeoutMs: 30_000 });
  const file = join(directory, 'once.json');
  await writeFile(file, shown);
  expect(await replay(file)).toEqual({ code: 0, output: expect.stringContaining('once  fine') });
  expect(await replay('--query', `WorkflowId = 'once'`)).toEqual({
    code: 0,
    output: expect.stringMatching(/once {2}fine\n1 replayed, 0 of them/),
  });
}, 180_000);

test('what was left out, or was nothing at all, is no proof, and the exit code says so', async () => {
  expect(await replay('--query', `WorkflowId = 'once' OR WorkflowId = 'again'`, '--limit', '1')).toEqual({
    code: 2,
    output: expect.stringMatching(/1 replayed, 0 of them.*\n.*more than 1, .* larger --limit/),
  });
  expect(await replay('--query', `WorkflowId = 'never'`)).toEqual({
    code: 2,
    output: expect.stringMatching(/0 replayed.*\nNo workflow matches/),
  });
}, 180_000);

test('a history that this build can’t have made is named, and the others are replayed all the same', async () => {
  const kept = join(histories, '0.1.0/plain-success.json');
  const doctored = join(directory, 'doctored.json');
  await writeFile(
    doctored,
    (await readFile(kept, 'utf8')).replace('"name": "submitAttempt"', '"name": "watchAttempt"'),
  );
  const { code, output } = await replay(doctored, kept);
  expect(code).toBe(1);
  expect(output).toMatch(
    /doctored {2}DeterminismViolationError: .*\n(.*\n)*plain-success {2}fine\n2 replayed, 1 of them/,
  );
}, 120_000);

test.each([
  { what: 'nothing to replay', words: [], says: 'Usage' },
  { what: 'files and a query at once', words: ['one.json', '--query', 'x'], says: 'Usage' },
  { what: 'a file that is not there', words: ['/nowhere.json'], says: '/nowhere.json holds no history' },
  { what: 'more than it may', words: ['--query', 'x', '--limit', '1000000'], says: '--limit has to be a number' },
])(
  '$what is refused with what to do',
  async ({ words, says }) => {
    expect(await replay(...words)).toEqual({ code: 2, output: expect.stringContaining(says) });
  },
  60_000,
);
