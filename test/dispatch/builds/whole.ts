import { sleep } from '@temporalio/workflow';

/** A build whose workflows go on, and wait. */
export async function generateVideo(): Promise<void> {
  await sleep('1 day');
}
