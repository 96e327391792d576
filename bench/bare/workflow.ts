import { condition, defineSignal, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';

/** Nothing but the shape of our job on Temporal: one regular activity, one signal beside a timer, one local activity. */
export async function bareVideo(id: string): Promise<void> {
  let finished = false;
  setHandler(finishedSignal, () => {
    finished = true;
  });
  await submit(id);
  await condition(() => finished, '90s');
  await settle(id);
}

const finishedSignal = defineSignal('finished');
const { submit } = proxyActivities<BareActivities>({ startToCloseTimeout: '60s' });
const { settle } = proxyLocalActivities<BareActivities>({ startToCloseTimeout: '2s' });

export interface BareActivities {
  submit(id: string): Promise<void>;
  settle(id: string): Promise<void>;
}
