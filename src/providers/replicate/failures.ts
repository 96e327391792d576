import { failureOf, type Failure, type FailureCode } from '../../domain/failure.ts';
import { codeByWords, failureOfStatus } from '../refusal.ts';
import { parseRetryAfterMs } from '../retry-after.ts';
import type { Answer } from '../vendor-client.ts';
import { type Problem, readProblem } from './problem.ts';

/** Codes in the text of a failed prediction, as of November 2026 (reference on providers, section 4.4). */
const errorCodes: Readonly<Record<string, FailureCode>> = {
  E005: 'moderation',
  E1000: 'provider_failed',
  E1001: 'provider_failed',
  // The machine never came up in the time the vendor allows itself.
  E6716: 'timed_out',
};

/** A prediction that failed. There is no field for a code: it stands in the text, and often there is none. */
export function failureOfPrediction(error: unknown): Failure {
  const text = typeof error === 'string' ? error : '';
  const vendorCode = codeIn(text);
  // Many models check their content by themselves, and say so in words of their own.
  if (vendorCode === undefined) return failureOf(codeByWords(text));
  return failureOf(errorCodes[vendorCode] ?? codeByWords(text), { vendorCode });
}

/**
 * The class of a refusal: by its status, with the wait that the vendor states in the body where it sends no header. The
 * only limit there is counts what is created in a minute.
 */
export function failureOfRefusal({
  status,
  json,
  retryAfterMs,
}: Pick<Answer, 'status' | 'json' | 'retryAfterMs'>): Failure {
  const problem = readProblem(json);
  if (problem === undefined) return failureOfStatus({ status, retryAfterMs });
  return failureOfStatus({ status, retryAfterMs: retryAfterMs ?? statedWaitMs(problem), limit: 'rate' });
}

/** In brackets, or opening the text. Elsewhere it may be the caller's own, for vendors echo prompts. */
function codeIn(text: string): string | undefined {
  return (/\((E\d{3,4})\)/.exec(text) ?? /^\W*(?:error\W*)?(?:code\W*)?(E\d{3,4})\b/i.exec(text))?.[1]?.toUpperCase();
}

/** A number of seconds beside the words, or the words alone: `Your rate limit resets in ~30s.` */
function statedWaitMs({ detail, retry_after: seconds }: Problem): number | undefined {
  const inWords = /\bin ~?(\d{1,9}) ?s(?:ec|econds?)?\b/i.exec(detail)?.[1];
  return parseRetryAfterMs(typeof seconds === 'number' ? String(Math.ceil(seconds)) : inWords, 0);
}
