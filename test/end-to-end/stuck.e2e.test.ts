import { expect, test } from 'vitest';
import { overviewId } from '../../src/contracts/overview.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const stack = useStack(() => ({ env: { STUCK_AFTER_SECONDS: '1' } }));

/** Temporal's visibility and queries are slow where much else runs. */
const patience = { withinMs: 90_000, everyMs: 250 };

const detailsOf = async (workflowId: string): Promise<string> => {
  const metadata = await stack.temporal.workflow
    .getHandle(workflowId)
    .query<{ readonly currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
};

test('a job that waits is found by the same cause in Temporal UI, the timeline and the metrics, and goes on', async () => {
  await stack.pool.query(
    `INSERT INTO pauses (kind, subject, actor, reason) SELECT 'pool', id, 'ada', 'the account is being moved' FROM pools`,
  );
  const { id } = await stack.accept({ prompt: 'a fox in the snow' });

  const query = `StuckCause = 'waiting_capacity' AND ExecutionStatus = 'Running'`;
  await until(
    'the job is found by its cause',
    async () => {
      for await (const { workflowId } of stack.temporal.workflow.list({ query })) if (workflowId === id) return true;
      return false;
    },
    patience,
  );
  await until('its details', async () => (await detailsOf(id)).includes('waiting_capacity'), patience);
  expect(await detailsOf(id)).not.toContain('fox');
  const timeline = await (await fetch(`${stack.url}/v1/videos/${id}/timeline`)).json();
  expect(timeline.stuck).toMatchObject({ cause: 'waiting_capacity' });
  await until(
    'the metric',
    async () => {
      const text = await (await fetch(`${stack.opsUrl('worker')}/metrics`)).text();
      return text.includes('spillway_stuck_jobs{cause="waiting_capacity"} 1');
    },
    patience,
  );

  // It is linear in the line, so an API does not ask as well.
  expect(await (await fetch(`${stack.opsUrl('api')}/metrics`)).text()).not.toContain('spillway_stuck_jobs');

  // The standing workflow is there, and comes back when somebody ends it: then it reads how all stands now.
  await stack.temporal.workflow.getHandle(overviewId).terminate();
  await until('the overview', async () => (await detailsOf(overviewId)).includes('| waiting_capacity | 1 |'), patience);
  expect(await detailsOf(overviewId)).toContain('is paused: the account is being moved');

  await stack.pool.query('DELETE FROM pauses');
  expect(await stack.untilFinal(id)).toMatchObject({ status: 'completed' });
}, 400_000);
