import { failureOf, type Failure, type FailureCode, type RetryAdvice } from '../../domain/failure.ts';
import type { Dimension } from '../../domain/learned-limit.ts';
import { failureOfStatus, limitByWords, speaksOfCredit } from '../refusal.ts';
import type { Answer } from '../vendor-client.ts';
import { evidenceOf, readError, type Evidence } from './wire.ts';

interface Meaning {
  readonly code: FailureCode;
  readonly retry?: RetryAdvice;
}

const blamesVendor: Meaning = { code: 'provider_failed' };
/** fal has run it again up to ten times before it says so (section 3.3): one more order would be more of the same. */
const wasRetried: Meaning = { code: 'provider_failed', retry: 'elsewhere' };
const ranOutOfTime: Meaning = { code: 'timed_out' };

/** The types of platform and models, as of November 2026 (reference on providers, section 3.4). */
const meanings: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['content_policy_violation', { code: 'moderation' }],
  ['file_download_error', { code: 'media_fetch' }],
  ['image_load_error', { code: 'media_fetch' }],
  // The model can't do what was asked; that of another target may.
  ['feature_not_supported', { code: 'invalid_input', retry: 'elsewhere' }],
  ['bad_request', { code: 'invalid_input' }],
  ['internal_server_error', blamesVendor],
  ['downstream_service_unavailable', blamesVendor],
  ['downstream_service_error', { code: 'provider_failed', retry: 'elsewhere' }],
  // Comes as 422, and so may be billed, though no field of the request is named.
  ['no_media_generated', { code: 'provider_failed', retry: 'elsewhere' }],
  ['generation_timeout', ranOutOfTime],
  // Our own limit of time (`X-Fal-Request-Timeout`) ends this way too: no outage, and no reason to come back.
  ['request_timeout', ranOutOfTime],
  ['startup_timeout', ranOutOfTime],
  ['runner_scheduling_failure', wasRetried],
  ['runner_connection_timeout', wasRetried],
  ['runner_disconnected', wasRetried],
  ['runner_connection_refused', wasRetried],
  ['runner_connection_error', wasRetried],
  ['runner_incomplete_response', blamesVendor],
  ['runner_server_error', blamesVendor],
  ['internal_error', blamesVendor],
  ['client_disconnected', { code: 'provider_failed', retry: 'elsewhere' }],
  ['client_cancelled', { code: 'provider_failed', retry: 'elsewhere' }],
]);

/** The codes that blame the request. Given at submit, they say more than the status does. */
const requestCodes: readonly FailureCode[] = ['moderation', 'invalid_input', 'media_fetch'];

/** Whether the types alone tell the class. */
export function isTelling({ types }: Evidence): boolean {
  return types.some((type) => meanings.has(type));
}

/** A request that failed after it was taken. */
export function failureOfEvidence(evidence: Evidence): Failure {
  const type = mostTelling(evidence.types);
  const known = type === undefined ? undefined : meanings.get(type);
  const { code, retry } = known ?? meaningOfStatus(evidence.status);
  const vendorCode = type ?? (evidence.status === undefined ? undefined : `http_${evidence.status}`);
  const failure = failureOf(code, { ...(retry && { retry }), ...(vendorCode !== undefined && { vendorCode }) });
  return advised(failure, evidence.retryable);
}

/** An answer that is no acceptance, or no answer to a question. */
export function failureOfRefusal(answer: Answer): Failure {
  const evidence = evidenceOf(answer);
  const failure = isTelling(evidence) ? failureOfEvidence(evidence) : undefined;
  if (failure && requestCodes.includes(failure.code)) return failure;
  if (isOutOfCredit(answer)) return failureOf('no_credit', { vendorCode: 'http_403' });
  return failureOfStatus({ ...answer, limit: limitOf(answer, evidence) });
}

/**
 * A type of its own says that too many are under way. The queue is documented to let them wait instead: only calls past
 * the queue are said to get it, so nothing else is expected here, and nothing is known of a limit by the minute.
 */
function limitOf({ json }: Answer, { types }: Evidence): Dimension | undefined {
  if (types.includes('concurrent_requests_limit')) return 'outstanding';
  return limitByWords(readError(json)?.message ?? '');
}

/** "User is locked. Reason: Exhausted balance.": known from others' bug reports only (section 3.4). */
function isOutOfCredit({ status, json }: Answer): boolean {
  if (status !== 403) return false;
  const message = readError(json)?.message ?? '';
  return speaksOfCredit(message) || /\blocked\b/i.test(message);
}

/** Of several, moderation wins: to take it for a slip would be to shop around with what was refused. */
function mostTelling(types: readonly string[]): string | undefined {
  return (
    types.find((type) => meanings.get(type)?.code === 'moderation') ??
    types.find((type) => meanings.has(type)) ??
    types[0]
  );
}

/** Where only the status is known: models answer with their own (section 3.2). */
function meaningOfStatus(status: number | undefined): Meaning {
  if (status === undefined) return blamesVendor;
  if (status === 408 || status === 504) return ranOutOfTime;
  if (status >= 500) return blamesVendor;
  return [400, 413, 415, 422].includes(status)
    ? { code: 'invalid_input' }
    : { code: 'provider_failed', retry: 'elsewhere' };
}

/** The vendor's own advice counts for what may be its fault. It can't make a refusal good, nor give back the time. */
function advised(failure: Failure, retryable: boolean | undefined): Failure {
  if (retryable === true && ['provider_failed', 'media_fetch'].includes(failure.code)) {
    return { ...failure, retry: 'same' };
  }
  return retryable === false && failure.retry === 'same' ? { ...failure, retry: 'elsewhere' } : failure;
}
