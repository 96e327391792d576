import { sleep } from '@temporalio/workflow';

/** As it was: it waits, and is done. */
export async function cook(): Promise<string> {
  await sleep('1m');
  return 'cooked';
}
