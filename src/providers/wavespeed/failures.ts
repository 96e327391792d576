import { failureOf, type Failure, type FailureCode } from '../../domain/failure.ts';

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
  '5004': 'provider_failed',
};

/** The codes that blame the request. Given at submit, they say that the vendor did not take it. */
const requestCodes: readonly number[] = [1200, 1400, 1401, 1402];

/** An answer that is no acceptance, reduced to what the classes depend on. */
export interface Refusal {
  /** The HTTP status, or the envelope's `code` where the status is 2xx. */
  readonly verdict: number;
  /** Where the numeric code may be, in the order to try. */
  readonly codes: readonly unknown[];
  /** The vendor's words: looked into for two words, never kept. */
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/** A prediction that failed. `evidence` is whatever may hold its code, in the order to try. */
export function failureOfPrediction(evidence: readonly unknown[]): Failure {
  const code = firstCode(evidence);
  return code === undefined
    ? failureOf('provider_failed')
    : failureOf(predictionCodes[code] ?? 'provider_failed', { vendorCode: code });
}

/** Whether a verdict proves that nothing was created. 408 and 499 are timeouts: the work may go on behind them. */
export function isProofOfRefusal(verdict: number): boolean {
  if (requestCodes.includes(verdict)) return true;
  return verdict >= 400 && verdict <= 499 && verdict !== 408 && verdict !== 499;
}

/** The class of a refusal. A code that blames the request says more than the status does. */
export function failureOfRefusal(refusal: Refusal): Failure {
  const code = firstCode([refusal.verdict, ...refusal.codes]);
  const byCode = requestCodes.includes(Number(code)) ? predictionCodes[code ?? ''] : undefined;
  if (byCode && code) return failureOf(byCode, { vendorCode: code });
  return failureOfStatus(refusal);
}

/** The class of an answer that refuses nothing and gives nothing: the vendor is out of order. */
export function failureOfOutage(refusal: Refusal): Failure {
  return failureOf('provider_unavailable', { vendorCode: statusCode(refusal.verdict), ...waiting(refusal) });
}

function failureOfStatus(refusal: Refusal): Failure {
  const detail = { vendorCode: statusCode(refusal.verdict) };
  switch (refusal.verdict) {
    case 400:
      return failureOf(speaksOfCredit(refusal.message) ? 'no_credit' : 'invalid_input', detail);
    case 401:
      return failureOf('auth', detail);
    case 402:
      return failureOf('no_credit', detail);
    case 403:
      return failureOf(speaksOfCredit(refusal.message) ? 'no_credit' : 'auth', detail);
    case 404:
    case 405:
    case 410:
      // The route is the model id: the vendor has no such model, and another target may.
      return failureOf('invalid_input', { ...detail, retry: 'elsewhere' });
    case 413:
    case 415:
    case 422:
      return failureOf('invalid_input', detail);
    case 429:
      return failureOf('rate_limited', { ...detail, ...waiting(refusal) });
    default:
      // Not a word about the request, so it may be good elsewhere.
      return failureOf('provider_failed', { ...detail, retry: 'elsewhere' });
  }
}

/** No status is documented for an account that ran dry, only words can tell (reference on providers, section 2.5). */
function speaksOfCredit(message: string): boolean {
  return /\b(balance|credits?|insufficient|top[ -]?up)\b/i.test(message);
}

function waiting(refusal: Refusal): Pick<Failure, 'retryAfterMs'> {
  return refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs };
}

function statusCode(status: number): string {
  return `http_${status}`;
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
