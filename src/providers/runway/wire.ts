import { z } from 'zod';

import { failureOf } from '../../domain/failure.ts';
import type { Progress } from '../provider.ts';
import { isSafeSegment, isWebUrl } from '../wire-values.ts';
import { failureOfTask } from './failures.ts';

/**
 * What Runway says, as read in November 2026 and never confirmed against the live service (reference on providers,
 * section 5).
 */
export type Task = z.infer<typeof taskSchema>;

/** The id is all that an order is answered with. */
export function readTaskId(value: unknown): string | undefined {
  return createdSchema.safeParse(value).data?.id;
}

export function readTask(value: unknown): Task | undefined {
  return taskSchema.safeParse(value).data;
}

/** The vendor's status as ours. A status that we don't know counts as running: our own deadlines end it. */
export function progressOf(task: Task): Progress {
  switch (task.status) {
    case 'PENDING':
    // Over the account's concurrency the vendor keeps the task waiting, and refuses nothing.
    case 'THROTTLED':
      return { kind: 'queued' };
    case 'SUCCEEDED':
      return finished(task);
    case 'FAILED':
      return { kind: 'failed', failure: failureOfTask(task.failureCode) };
    case 'CANCELLED':
      return { kind: 'failed', failure: failureOf('provider_failed', { retry: 'elsewhere', vendorCode: 'cancelled' }) };
    default:
      return { kind: 'running' };
  }
}

/** The URL is signed and expires. Every reading of the task has a fresh one. */
function finished({ output }: Task): Progress {
  const url = output?.find(isWebUrl);
  return url === undefined
    ? { kind: 'failed', failure: failureOf('output_expired', { vendorCode: 'no_output' }) }
    : { kind: 'finished', video: { url } };
}

const createdSchema = z.object({ id: z.string().refine(isSafeSegment) });

const taskSchema = createdSchema.extend({
  status: z.string(),
  output: z.array(z.unknown()).nullish().catch(undefined),
  failureCode: z.unknown().optional(),
});
