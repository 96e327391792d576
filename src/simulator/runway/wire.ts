import type { Account } from '../account.ts';
import { signedOutputUrlOf } from '../outputs.ts';
import type { Prediction } from '../prediction.ts';

/** Runway's JSON of a task. */
export function taskData(task: Prediction, account: Account): object {
  return {
    id: task.id,
    createdAt: new Date(task.createdAtMs).toISOString(),
    status: statusOf(task, account),
    ...(task.status === 'processing' && { progress: 0.5 }),
    ...(task.status === 'completed' && { output: [signedOutputUrlOf(task, account)] }),
    ...failureOf(task),
  };
}

const statuses = {
  created: 'PENDING',
  processing: 'RUNNING',
  completed: 'SUCCEEDED',
  failed: 'FAILED',
  timeout: 'FAILED',
  cancelled: 'CANCELLED',
} as const;

/** Over the concurrency of the account a task waits, and says so. */
function statusOf({ id, status }: Prediction, account: Account): string {
  return account.queuePositionOf(id) === undefined ? statuses[status] : 'THROTTLED';
}

function failureOf({ ending }: Prediction): object {
  if (ending?.kind === 'failed') return { failure: ending.message, failureCode: codeOf(ending.code) };
  return ending?.kind === 'timeout' ? { failure: 'An unexpected error occurred.', failureCode: 'INTERNAL' } : {};
}

/** The codes of the faults, which are WaveSpeed's, as Runway's. */
function codeOf(code: number): string {
  if (code === 1200) return 'SAFETY.INPUT.TEXT';
  if (code >= 1400 && code <= 1402) return 'ASSET.INVALID';
  if (code === 1403) return 'INTERNAL.BAD_OUTPUT.CODE01';
  return code === 5003 ? 'THIRD_PARTY.UNAVAILABLE' : 'INTERNAL';
}
