import { isCancellation, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type {
  Activities,
  QueueOrder,
  SettleOrder,
  StopOrder,
  StoreOrder,
  SubmitOrder,
  WatchOrder,
} from '../contracts/activities.ts';
import type { GenerateVideoResult } from '../contracts/generate-video.ts';
import { failureOf } from '../domain/failure.ts';
import type { AttemptReport, QueueAnswer, StoreAnswer, SubmitAnswer } from '../domain/story.ts';
import {
  bookkeepingLocalOptions,
  bookkeepingOptions,
  stopOptions,
  storeOptions,
  submitOptions,
  watchOptions,
} from './activity-options.ts';

const submits = proxyActivities<Pick<Activities, 'submitAttempt'>>(submitOptions);
const watches = proxyActivities<Pick<Activities, 'watchAttempt'>>(watchOptions);
const stores = proxyActivities<Pick<Activities, 'storeAsset'>>(storeOptions);
const stops = proxyActivities<Pick<Activities, 'stopAttempt'>>(stopOptions);
const quick = proxyLocalActivities<Pick<Activities, 'queueAttempt' | 'settleJob'>>(bookkeepingLocalOptions);
const patient = proxyActivities<Pick<Activities, 'queueAttempt' | 'settleJob'>>(bookkeepingOptions);

/** An activity that never answered leaves its attempt as an unknown one: the ledger may say that it was sent. */
export async function submitAttempt(order: SubmitOrder): Promise<SubmitAnswer> {
  try {
    return await submits.submitAttempt(order);
  } catch {
    return { kind: 'unknown' };
  }
}

/** Nothing once it is cancelled, which is how a callback ends a poll. */
export async function watchAttempt(order: WatchOrder): Promise<AttemptReport | undefined> {
  try {
    return await watches.watchAttempt(order);
  } catch (error) {
    if (isCancellation(error)) return undefined;
    throw error;
  }
}

/**
 * A copy that was not made in its time, or that nobody wants any more. The video is there and paid for, and what is away
 * is as likely our own store, which would lose the next one too: nobody buys a second one for that.
 */
export async function storeAsset(order: StoreOrder): Promise<StoreAnswer> {
  try {
    return await stores.storeAsset(order);
  } catch {
    return { kind: 'failed', failure: failureOf('timed_out', { retry: 'never' }) };
  }
}

export async function queueAttempt(order: QueueOrder): Promise<QueueAnswer> {
  try {
    return await quick.queueAttempt(order);
  } catch {
    return await patient.queueAttempt(order);
  }
}

export async function settleJob(order: SettleOrder): Promise<GenerateVideoResult> {
  try {
    return await quick.settleJob(order);
  } catch {
    return await patient.settleJob(order);
  }
}

/** Best effort: whoever does not stop is counted and polled as a zombie. */
export async function stopAttempt(order: StopOrder): Promise<void> {
  try {
    await stops.stopAttempt(order);
  } catch {
    return;
  }
}
