import { expect, inject, test } from 'vitest';
import { runCommand } from '../../src/embedded/processes.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const stack = useStack();

/** As an operator does it, with Temporal's own command line. */
async function operate(
  command: 'terminate' | 'reset' | 'cancel',
  id: string,
  more: readonly string[] = [],
): Promise<void> {
  const where = ['--address', stack.temporalAddress, '--namespace', stack.namespace];
  const args = ['workflow', command, '--workflow-id', id, ...more, ...where];
  await runCommand({ command: inject('temporalCliPath'), args, timeoutMs: 20_000 });
}

const reset = ['--type', 'FirstWorkflowTask', '--reason', 'a test'];

/** A job whose video is being made and will not end by itself; returns what the vendor calls it. */
async function startStuck(prompt: string): Promise<{ id: string; operation: string }> {
  const { id } = await stack.accept({ prompt: `[sim:stuck] ${prompt}`, fallback: 'none' });
  const operation = await until('the vendor works on it and we know', async () => {
    const { rows } = await stack.pool.query<{ operation: string | null }>(
      'SELECT operation FROM attempts WHERE job = $1',
      [id],
    );
    return rows[0]?.operation;
  });
  return { id, operation };
}

async function submitsOf(id: string): Promise<readonly number[]> {
  const all = await stack.vendor.submits();
  return all.filter(({ correlation }) => correlation?.startsWith(id)).map(({ submits }) => submits);
}

test('a workflow that is terminated ends its job', async () => {
  const { id, operation } = await startStuck('terminate');
  await operate('terminate', id, ['--reason', 'a test']);
  expect(await stack.untilFinal(id)).toMatchObject({ status: 'failed', error: { code: 'terminated' } });
  await stack.vendor.finish(operation);
});

test('a workflow that is cancelled in the UI ends its job as a cancel does', async () => {
  const { id, operation } = await startStuck('cancel');
  await operate('cancel', id);
  expect(await stack.untilFinal(id)).toMatchObject({ status: 'cancelled' });
  await stack.vendor.finish(operation);
});

test('a workflow that is reset while its video is made goes on with it, and buys no second one', async () => {
  const { id, operation } = await startStuck('reset');
  await operate('reset', id, reset);
  await stack.vendor.finish(operation);
  expect(await stack.untilFinal(id)).toMatchObject({ status: 'completed', attempts: 1 });
  expect(await submitsOf(id)).toEqual([1]);
});

test('a workflow that is reset after the end returns the verdict that stands', async () => {
  const { id } = await stack.accept({ prompt: 'reset after the end' });
  const video = await stack.untilFinal(id);
  const handle = stack.temporal.workflow.getHandle(id);
  const first = await handle.result();
  const { runId } = await handle.describe();
  await operate('reset', id, reset);
  await until('the new run has ended', async () => {
    const { runId: now, status } = await handle.describe();
    return now !== runId && status.name === 'COMPLETED';
  });
  expect(await stack.temporal.workflow.getHandle(id).result()).toEqual(first);
  expect(await stack.get(id)).toEqual(video);
  expect(await submitsOf(id)).toEqual([1]);
});
