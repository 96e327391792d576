import { failureOf, type Failure, type FailureCode } from '../../domain/failure.ts';
import { isProofOfRefusal as isProofByStatus } from '../no-answer.ts';
import { codeByWords, failureOfStatus, limitByWords, speaksOfCredit, type Refusal } from '../refusal.ts';

/** Codes of a prediction, as of November 2026 (reference on providers, section 2.5). */
const predictionCodes: Readonly<Record<string, FailureCode>> = {
  '1200': 'moderation',
  '1400': 'invalid_input',
  '1401': 'invalid_input',
  '1402': 'media_fetch',
  '1403': 'provider_failed',
  '1405': 'provider_failed',
  '5000': 'provider_failed',
  '5003': 'provider_failed',
  // Its own deadline, as the status `timeout` is: to order there again would be to wait as long again.
  '5004': 'timed_out',
};

/** The codes that blame the request. Given at submit, they say that the vendor did not take it. */
const requestCodes: readonly number[] = [1200, 1400, 1401, 1402];

/** An answer that is no acceptance, reduced to what the classes depend on. */
export interface Verdict {
  /** The HTTP status, or the envelope's `code` where the status is 2xx. */
  readonly verdict: number;
  /** Where the numeric code may be, in the order to try. */
  readonly codes: readonly unknown[];
  /** The vendor's words: looked into for two words, never kept. */
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/**
 * A prediction that failed. `evidence` is whatever may hold its code, in the order to try. No document says where that
 * is, so that words have to do where there is none, or one that we don't know.
 */
export function failureOfPrediction(evidence: readonly unknown[]): Failure {
  const code = firstCode(evidence);
  const known = code === undefined ? undefined : predictionCodes[code];
  const words = evidence.filter((value) => typeof value === 'string').join(' ');
  return failureOf(known ?? codeByWords(words), code === undefined ? {} : { vendorCode: code });
}

/** Whether a verdict proves that nothing was created: by its status, or by a code that blames the request. */
export function isProofOfRefusal(verdict: number): boolean {
  return requestCodes.includes(verdict) || isProofByStatus(verdict);
}

/** The class of a refusal. A code that blames the request says more than the status does. */
export function failureOfRefusal(answer: Verdict): Failure {
  const code = firstCode([answer.verdict, ...answer.codes]);
  const byCode = requestCodes.includes(Number(code)) ? predictionCodes[code ?? ''] : undefined;
  if (byCode && code) return failureOf(byCode, { vendorCode: code });
  return isOutOfCredit(answer)
    ? failureOf('no_credit', { vendorCode: `http_${answer.verdict}` })
    : failureOfStatus(refusalOf(answer));
}

/**
 * The same as any vendor's. Only the limit by the minute is documented to refuse; whether the one on concurrent tasks
 * does, and in which words, is not (reference on providers, section 2.9), so that the words have to tell.
 */
export function refusalOf({ verdict, message, retryAfterMs }: Verdict): Refusal {
  return { status: verdict, retryAfterMs, limit: limitByWords(message) };
}

/** No status is documented for an account that ran dry, only words can tell (reference on providers, section 2.5). */
function isOutOfCredit({ verdict, message }: Verdict): boolean {
  return (verdict === 400 || verdict === 403) && speaksOfCredit(message);
}

function firstCode(evidence: readonly unknown[]): string | undefined {
  for (const value of evidence) {
    const code = codeIn(value);
    if (code) return code;
  }
  return undefined;
}

/** Four digits that open the value. Further inside a text they may be the caller's own, for vendors echo prompts. */
function codeIn(value: unknown): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined;
  return /^\W*(?:error\W*)?(?:code\W*)?([1-9]\d{3})\b/i.exec(String(value))?.[1];
}
