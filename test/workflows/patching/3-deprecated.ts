import { deprecatePatch, sleep } from '@temporalio/workflow';

/** Once no run of before the patch is open any more: the old way is gone, and the marker may stand in histories. */
export async function cook(): Promise<string> {
  deprecatePatch('rest-before-cooking');
  await sleep('10s');
  await sleep('1m');
  return 'cooked';
}
