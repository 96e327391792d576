import { patched, sleep } from '@temporalio/workflow';

/** A new command, for runs that come to this point for the first time: those that were past it go on as they were. */
export async function cook(): Promise<string> {
  if (patched('rest-before-cooking')) await sleep('10s');
  await sleep('1m');
  return 'cooked';
}
