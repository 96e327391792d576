import { sleep } from '@temporalio/workflow';

/** Once no run that asked for the patch is open any more: nothing is left of it. */
export async function cook(): Promise<string> {
  await sleep('10s');
  await sleep('1m');
  return 'cooked';
}
