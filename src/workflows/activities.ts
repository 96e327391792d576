import { ActivityFailure, isCancellation, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type {
  Activities,
  MoveOrder,
  NoteAnswer,
  NoteOrder,
  QueueOrder,
  SettleOrder,
  StopOrder,
  StoreOrder,
  SubmitOrder,
  WatchOrder,
} from '../contracts/activities.ts';
import type { GenerateVideoResult } from '../contracts/generate-video.ts';
import { failureOf } from '../domain/failure.ts';
import type { AttemptReport, MoveAnswer, QueueAnswer, StoreAnswer, SubmitAnswer } from '../domain/story.ts';
import {
  bookkeepingLocalOptions,
  bookkeepingOptions,
  stopOptions,
  storeOptions,
  submitOptions,
  watchOptions,
} from './activity-options.ts';

// Each with a summary, which Temporal UI shows beside its event.

/** An activity that never answered leaves its attempt as an unknown one: the ledger may say that it was sent. */
export async function submitAttempt(order: SubmitOrder, summary: string): Promise<SubmitAnswer> {
  try {
    return await proxyActivities<Activities>({ ...submitOptions, summary }).submitAttempt(order);
  } catch {
    return { kind: 'unknown' };
  }
}

/** Nothing once it is cancelled, which is how a callback ends a poll. */
export async function watchAttempt(order: WatchOrder, summary: string): Promise<AttemptReport | undefined> {
  try {
    return await proxyActivities<Activities>({ ...watchOptions, summary }).watchAttempt(order);
  } catch (error) {
    if (isCancellation(error)) return undefined;
    throw error;
  }
}

/**
 * A copy that was not made in its time, or that nobody wants any more. The video is there and paid for, and what is away
 * is as likely our own store, which would lose the next one too: nobody buys a second one for that.
 */
export async function storeAsset(order: StoreOrder, summary: string): Promise<StoreAnswer> {
  try {
    return await proxyActivities<Activities>({ ...storeOptions, summary }).storeAsset(order);
  } catch {
    return { kind: 'failed', failure: failureOf('timed_out', { retry: 'never' }) };
  }
}

export async function queueAttempt(order: QueueOrder, summary: string): Promise<QueueAnswer> {
  return await patiently(summary, (activities) => activities.queueAttempt(order));
}

export async function moveTicket(order: MoveOrder, summary: string): Promise<MoveAnswer> {
  return await patiently(summary, (activities) => activities.moveTicket(order));
}

export async function noteRepair(order: NoteOrder, summary: string): Promise<NoteAnswer> {
  try {
    return await patiently(summary, (activities) => activities.noteRepair(order));
  } catch (error) {
    // It is the operator's answer, who has no use for that an activity has failed.
    throw error instanceof ActivityFailure && error.cause !== undefined ? error.cause : error;
  }
}

export async function settleJob(order: SettleOrder, summary: string): Promise<GenerateVideoResult> {
  return await patiently(summary, (activities) => activities.settleJob(order));
}

type Bookkeeping = Pick<Activities, 'queueAttempt' | 'moveTicket' | 'noteRepair' | 'settleJob'>;

/** A quick write: as a local activity, and where that can't do it, say because Postgres restarts, as a regular one. */
async function patiently<Answer>(
  summary: string,
  write: (activities: Bookkeeping) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await write(proxyLocalActivities<Bookkeeping>({ ...bookkeepingLocalOptions, summary }));
  } catch {
    return await write(proxyActivities<Bookkeeping>({ ...bookkeepingOptions, summary }));
  }
}

/** Best effort: whoever does not stop is counted and polled as a zombie. */
export async function stopAttempt(order: StopOrder, summary: string): Promise<void> {
  try {
    await proxyActivities<Activities>({ ...stopOptions, summary }).stopAttempt(order);
  } catch {
    return;
  }
}
