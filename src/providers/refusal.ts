import { failureOf, type Failure, type FailureCode } from '../domain/failure.ts';
import type { Dimension } from '../domain/learned-limit.ts';
import { isProofOfRefusal } from './no-answer.ts';
import { ProviderUnreachableError, type StartOutcome } from './provider.ts';

/** As much of an answer that is no acceptance as all vendors have in common. */
export interface Refusal {
  readonly status: number;
  readonly retryAfterMs?: number | undefined;
  /** Which limit was hit, where the vendor says so. */
  readonly limit?: Dimension | undefined;
}

/** What a status means where the vendor gives no better evidence (reference on providers, section 12). */
export function failureOfStatus(refusal: Refusal): Failure {
  const detail = { vendorCode: statusCode(refusal) };
  switch (refusal.status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return failureOf('invalid_input', detail);
    case 401:
    case 403:
      return failureOf('auth', detail);
    case 402:
      return failureOf('no_credit', detail);
    case 404:
    case 405:
    case 410:
      // What is missing is the route, and so the model: another target may have it.
      return failureOf('invalid_input', { ...detail, retry: 'elsewhere' });
    case 429:
      return failureOf('rate_limited', {
        ...detail,
        ...waiting(refusal),
        ...(refusal.limit && { limit: refusal.limit }),
      });
    default:
      // Not a word about the request, so it may be good elsewhere.
      return failureOf('provider_failed', { ...detail, retry: 'elsewhere' });
  }
}

/** What a paid order became whose answer is no acceptance. `failure` is what the refusal means, if it is one. */
export function outcomeOfRefusal(refusal: Refusal, failure: Failure): StartOutcome {
  if (isProofOfRefusal(refusal.status)) return { kind: 'refused', failure };
  return { kind: 'unknown', failure: failureOf('ambiguous_submit', { vendorCode: statusCode(refusal) }) };
}

/** The operator's model id can't be made into a request, so nothing was sent. */
export function refuseMalformedModel(): StartOutcome {
  return {
    kind: 'refused',
    failure: failureOf('invalid_input', { retry: 'elsewhere', vendorCode: 'model_malformed' }),
  };
}

/**
 * The end of a question whose answer was of no use. Of a refusal only what concerns the account is kept: to ask about
 * an operation cannot be the fault of the request that made it.
 */
export function endOfQuestion(refusal: Refusal, failure: Failure): ProviderUnreachableError {
  const ofAccount = ['auth', 'no_credit', 'rate_limited'].includes(failure.code);
  if (isProofOfRefusal(refusal.status) && ofAccount) return new ProviderUnreachableError(failure);
  return new ProviderUnreachableError(
    failureOf('unreachable', { vendorCode: statusCode(refusal), ...waiting(refusal) }),
  );
}

/** The answer is about an operation that nobody asked about. */
export function anotherOperation(): ProviderUnreachableError {
  return new ProviderUnreachableError(failureOf('unreachable', { vendorCode: 'another_operation' }));
}

/** The operation that the vendor says it does not have, or has no more. */
export function missingOperation(): Failure {
  return failureOf('provider_failed', { retry: 'elsewhere', vendorCode: 'operation_missing' });
}

/** Some vendors have no status for an account that ran dry: only their words can tell. */
export function speaksOfCredit(message: string): boolean {
  return /\b(balance|credits?|insufficient|top[ -]?up)\b/i.test(message);
}

/**
 * Which limit a refusal for load is about, by its words, where they name one and not the other. Advice on both is common
 * ("wait a minute, or reduce concurrent requests"), and says nothing.
 */
export function limitByWords(message: string): Dimension | undefined {
  const isOutstanding = /\bconcurren(t|cy|tly)\b/i.test(message);
  const isRate = /\b(rate|minute|second|rpm)\b/i.test(message);
  if (isOutstanding === isRate) return undefined;
  return isOutstanding ? 'outstanding' : 'rate';
}

/** Of a failure that has no code, or one that nobody knows: to take a refusal for a slip is to shop around with it. */
export function codeByWords(message: string): FailureCode {
  return /sensitive|nsfw|policy|moderation/i.test(message) ? 'moderation' : 'provider_failed';
}

function statusCode({ status }: Refusal): string {
  return `http_${status}`;
}

function waiting({ retryAfterMs }: Refusal): Pick<Failure, 'retryAfterMs'> {
  return retryAfterMs === undefined ? {} : { retryAfterMs };
}
