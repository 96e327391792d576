import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import type { Failure } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';

/**
 * A failure in Temporal's words, which no other place translates. Only `same` is worth a retry there: everything else is
 * for the workflow to decide. It ends up in histories and in Temporal UI, so it says codes and never a vendor's words.
 */
export function applicationFailureOf(failure: Failure): ApplicationFailure {
  const { code, retry, vendorCode, retryAfterMs } = failure;
  return ApplicationFailure.create({
    type: code,
    message: vendorCode === undefined ? code : `${code}: ${vendorCode}`,
    nonRetryable: retry !== 'same',
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: Math.min(retryAfterMs, limits.retryAfterMsMax) }),
    // A vendor that is busy is no trouble of ours: it is neither logged nor counted as one.
    ...(code === 'rate_limited' ? { category: ApplicationFailureCategory.BENIGN } : {}),
  });
}

/** Nothing has failed: there is nothing to tell yet, and another try is due in so many milliseconds. */
export function notYet(delayMs: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'NotYet',
    message: 'the provider is not done',
    category: ApplicationFailureCategory.BENIGN,
    nextRetryDelay: delayMs,
  });
}

/**
 * The workflow remembers an attempt that the ledger does not have: the database was put back to a moment before. To call the
 * attempt lost would be to pay once more for what may be there; it waits until the ledger has been mended.
 */
export function missingFromLedger({ jobId, attempt }: { jobId: string; attempt: number }): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'MissingFromLedger',
    message: `the ledger has no attempt ${jobId}.${attempt}: was the database put back? Stop the workers and run ops after-restore`,
    nextRetryDelay: limits.missingFromLedgerDelayMs,
  });
}
