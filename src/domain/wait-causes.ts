import type { FailureCode } from './failure.ts';
import { type JobSnapshot, refusals, type StuckCause, stuckNextAt, stuckOf, type StuckSettings } from './stuck.ts';

/** What a wait is called when it has lasted for `afterMs`, by what the provider says. */
export interface WaitCause {
  /** Null: it says nothing. */
  readonly refusal: FailureCode | null;
  readonly cause: StuckCause;
  readonly afterMs: number;
}

/** `stuckOf` as a table for those who only wait: what a statement needs to tell a hundred thousand of them apart. */
export function waitCauses(settings: StuckSettings): readonly WaitCause[] {
  return [null, ...refusals].flatMap((refusal) => {
    const snapshot = { ...nothing, waiting: { since: 0, target: '', refusal } };
    const afterMs = stuckNextAt(snapshot, settings, -1);
    const stuck = afterMs === null ? undefined : stuckOf(snapshot, settings, afterMs);
    return afterMs === null || stuck === undefined ? [] : [{ refusal, cause: stuck.cause, afterMs }];
  });
}

/** Milliseconds after which a webhook that fails is a cause. */
export function webhookAfterMs(settings: StuckSettings): number {
  return stuckNextAt({ ...nothing, webhook: { since: 0, tries: 1, nextTryAt: null } }, settings, -1) ?? Infinity;
}

const nothing: JobSnapshot = { waiting: null, attempts: [], webhook: null, taskFailingSince: null };
