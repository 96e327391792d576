import { createActivities } from './activities.ts';
import { type Clockwork, createClockwork } from './clockwork.ts';
import { createDispatch } from './dispatch.ts';
import type { Awaitable, Records } from './records.ts';
import type { Scenario } from './scenario.ts';
import { createTemporal } from './temporal.ts';
import { createVendor, type Operation, type Vendor } from './vendor.ts';

/** What is left of a run to be judged. */
export interface Ending {
  readonly scenario: Scenario;
  readonly records: Records;
  readonly vendor: Vendor;
  readonly kills: number;
  /** Everything has come to rest, or it did not in hours. */
  readonly isQuiet: boolean;
  readonly leaks: number;
}

export type OpenRecords = (clockwork: Clockwork) => Awaitable<Records>;

/** Plays one scenario from beginning to end, in virtual time. */
export async function play(scenario: Scenario, openRecords: OpenRecords): Promise<Ending> {
  const clockwork = createClockwork(scenario);
  const records = await openRecords(clockwork);
  const { after } = clockwork;
  let leaks = 0;
  let toCome = scenario.arrivals.length;
  const onCallback = async (operation: Operation, { copy, isProven }: { copy: number; isProven: boolean }) => {
    await callBack(records, operation, { copy, isProven });
    wake();
  };
  const vendor = createVendor({ scenario, clockwork, onCallback });
  const copyFailedShare = scenario.faults.copyFailed;
  const activities = createActivities({ clockwork, records, vendor, copyFailedShare, onQueued: () => wake() });
  const temporal = createTemporal(clockwork, activities);
  const { pace, lostAnswerShare } = scenario;
  const onLeak = (count: number): void => void (leaks += count);
  const dispatch = createDispatch({ clockwork, records, temporal, vendor, pace, lostAnswerShare, onLeak });
  const wake = (): void => dispatch.wake();

  for (const { at, job } of scenario.arrivals)
    after(at, async () => {
      toCome -= 1;
      await records.accept(job);
      wake();
    });
  for (const { at, job } of scenario.cancels)
    after(at, async () => {
      await records.requestCancel(job);
      wake();
    });
  for (const { at, job } of scenario.resets) after(at, () => temporal.reset(job));
  for (const { at, job } of scenario.losses) after(at, () => temporal.lose(job));
  dispatch.start();

  const isOver = async (): Promise<boolean> => toCome === 0 && temporal.isQuiet() && (await records.isQuiet());
  const isQuiet = (await clockwork.run(isOver)) === 'over';
  return { scenario, records, vendor, kills: clockwork.kills(), isQuiet, leaks };
}

interface Delivery {
  readonly copy: number;
  readonly isProven: boolean;
}

/** What the API does with a callback: what can't be proven only causes a check. */
async function callBack(records: Records, operation: Operation, { copy, isProven }: Delivery): Promise<void> {
  const { job: jobId, attempt, token, id, state, failure } = operation;
  if (!isProven) return await records.requestCheck({ jobId, attempt, token });
  // The second copy is the same body, or one that says the same in other words.
  const digest = `${state} ${copy % 3}`;
  const outcome = state === 'finished' ? 'finished' : 'failed';
  const end = failure === null ? ({ outcome } as const) : ({ outcome, failure } as const);
  await records.receiveCallback({ jobId, attempt, token, digest, operation: id, ...end });
  return undefined;
}
