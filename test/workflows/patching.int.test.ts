import { join } from 'node:path';
import { DeterminismViolationError } from '@temporalio/workflow';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testServerPath } from '../support/temporal-test-server.ts';
import { silentLogger } from './bundle.ts';

/** The recipe of docs/upgrades.md, step by step: a workflow before a patch, with it, with it deprecated, and without it. */
const steps = ['1-before', '2-patched', '3-deprecated', '4-after'] as const;
type Step = (typeof steps)[number];
type History = Awaited<ReturnType<typeof record>>;

const bundles = new Map<Step, WorkflowBundleWithSourceMap>();
const histories = new Map<Step, History>();
let environment: TestWorkflowEnvironment;

beforeAll(async () => {
  Runtime.install({
    logger: silentLogger,
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'off', forward: {} } },
  });
  const path = await testServerPath();
  environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
  for (const step of steps) {
    const workflowsPath = join(import.meta.dirname, 'patching', `${step}.ts`);
    bundles.set(step, await bundleWorkflowCode({ workflowsPath, logger: silentLogger }));
    histories.set(step, await record(step));
  }
}, 180_000);
afterAll(async () => await environment.teardown());

function bundleOf(step: Step): WorkflowBundleWithSourceMap {
  const bundle = bundles.get(step);
  if (bundle === undefined) throw new Error(`${step} was not bundled`);
  return bundle;
}

async function record(step: Step) {
  const options = { taskQueue: `cook-${step}`, workflowId: step };
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: options.taskQueue,
    workflowBundle: bundleOf(step),
  });
  return await worker.runUntil(async () => {
    const handle = await environment.client.workflow.start('cook', options);
    await handle.result();
    return await handle.fetchHistory();
  });
}

async function replay(history: Step, code: Step): Promise<'fine' | 'refused'> {
  try {
    await Worker.runReplayHistory({ workflowBundle: bundleOf(code) }, histories.get(history));
    return 'fine';
  } catch (error) {
    if (!(error instanceof DeterminismViolationError)) throw error;
    return 'refused';
  }
}

test.each([
  { history: '1-before', code: '2-patched', because: 'a run of before the patch goes on as it was' },
  { history: '2-patched', code: '3-deprecated', because: 'its marker may stand in the history' },
  { history: '3-deprecated', code: '4-after', because: 'nothing is left to be asked' },
  { history: '2-patched', code: '2-patched', because: 'it is its own' },
] as const)('$history replays on $code: $because', async ({ history, code }) => {
  expect(await replay(history, code)).toBe('fine');
});

test.each([
  { history: '1-before', code: '4-after', because: 'the same change without a patch' },
  { history: '1-before', code: '3-deprecated', because: 'a run of before the patch was still open' },
  { history: '2-patched', code: '4-after', because: 'a run that asked for the patch was still open' },
  { history: '2-patched', code: '1-before', because: 'there is no way back behind a patch, but on a build of its own' },
] as const)('$history is refused by $code: $because', async ({ history, code }) => {
  expect(await replay(history, code)).toBe('refused');
});
