import { expect, test } from 'vitest';
import { defaultWorkerTuning, faultsOfTuning, workerSlots } from '../../src/domain/worker-tuning.ts';

test('the defaults contradict nothing, and are the slots that were measured', () => {
  expect(faultsOfTuning(defaultWorkerTuning)).toEqual([]);
  expect(workerSlots(defaultWorkerTuning)).toEqual({
    workflows: {
      maxConcurrentWorkflowTaskExecutions: 100,
      maxConcurrentLocalActivityExecutions: 100,
      maxConcurrentActivityTaskExecutions: 1_000,
      maxConcurrentActivityTaskPolls: 10,
      maxConcurrentWorkflowTaskPolls: 20,
      maxCachedWorkflows: 1_000,
    },
    checks: { maxConcurrentActivityTaskExecutions: 200, maxConcurrentActivityTaskPolls: 4 },
    assets: { maxConcurrentActivityTaskExecutions: 20, maxConcurrentActivityTaskPolls: 2 },
    webhooks: { maxConcurrentActivityTaskExecutions: 1_000, maxConcurrentActivityTaskPolls: 4 },
  });
});

test('a queue of one slot has one poller', () => {
  expect(workerSlots({ ...defaultWorkerTuning, assetSlots: 1 }).assets).toEqual({
    maxConcurrentActivityTaskExecutions: 1,
    maxConcurrentActivityTaskPolls: 1,
  });
});

test.each([
  [{ workflowPollers: 101 }, ['WORKER_WORKFLOW_POLLERS', 'WORKER_WORKFLOW_SLOTS']],
  [{ activityPollers: 11, activitySlots: 10 }, ['WORKER_ACTIVITY_POLLERS', 'WORKER_ACTIVITY_SLOTS']],
  [{ cachedWorkflows: 99 }, ['WORKER_CACHED_WORKFLOWS', 'WORKER_WORKFLOW_SLOTS']],
])('%j is refused, by the names of the variables', (change, names) => {
  const [fault = '', ...more] = faultsOfTuning({ ...defaultWorkerTuning, ...change });
  expect(more).toEqual([]);
  for (const name of names) expect(fault).toContain(name);
});
