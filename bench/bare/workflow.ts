import { condition, defineSignal, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';
import { type BareActivities, bareStoreQueue } from './contract.ts';

/**
 * Nothing but the shape of our job on Temporal: a regular activity, a signal beside a timer, another regular activity on
 * a task queue of its own, a local activity.
 */
export async function bareVideo(id: string): Promise<void> {
  let finished = false;
  setHandler(finishedSignal, () => {
    finished = true;
  });
  await submit(id);
  await condition(() => finished, '90s');
  await store(id);
  await settle(id);
}

const finishedSignal = defineSignal('finished');
const { submit } = proxyActivities<BareActivities>({ startToCloseTimeout: '60s' });
const { store } = proxyActivities<BareActivities>({ taskQueue: bareStoreQueue, startToCloseTimeout: '60s' });
const { settle } = proxyLocalActivities<BareActivities>({ startToCloseTimeout: '2s' });
