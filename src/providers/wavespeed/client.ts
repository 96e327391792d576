import { failureOf } from '../../domain/failure.ts';
import { createHttp, HttpError, type Http, type HttpRequest, type HttpResponse } from '../http.ts';
import { ProviderUnreachableError } from '../provider.ts';
import { parseRetryAfterMs } from '../retry-after.ts';
import { defaultTimeouts, type ProviderSettings, type ProviderTimeouts } from '../settings.ts';
import { failureOfOutage, failureOfRefusal, isProofOfRefusal, type Refusal } from './failures.ts';
import { readEnvelope, type Envelope } from './wire.ts';

export interface WaveSpeedClient {
  readonly http: Http;
  readonly timeouts: ProviderTimeouts;
  readonly now: () => number;
}

/** An answer, read as far as it goes. */
export interface Answer extends Refusal {
  /** Absent when the text was no JSON object. */
  readonly envelope: Envelope | undefined;
  /** A 2xx that holds an envelope. Its `code` may still be an error. */
  readonly readable: boolean;
}

export function createClient(settings: ProviderSettings): WaveSpeedClient {
  const timeouts = { ...defaultTimeouts, ...settings.timeouts };
  const http = createHttp({
    origin: settings.origin,
    headers: () => ({ authorization: `Bearer ${settings.apiKey}` }),
    timeouts: { connectMs: timeouts.connectMs, totalMs: timeouts.askMs },
  });
  return { http, timeouts, now: settings.now ?? Date.now };
}

/** Asks what costs nothing. Throws `ProviderUnreachableError` when nothing came back. */
export async function ask(client: WaveSpeedClient, request: HttpRequest): Promise<Answer> {
  try {
    return readAnswer(await client.http.request(request), client.now());
  } catch (cause) {
    if (!(cause instanceof HttpError)) throw cause;
    throw new ProviderUnreachableError(failureOf('provider_unavailable', { vendorCode: cause.code }), { cause });
  }
}

/**
 * The end of a question whose answer was of no use. Of a refusal only what concerns the account is kept: to ask about
 * an operation cannot be the fault of the request that made it.
 */
export function unreachable(answer: Answer): ProviderUnreachableError {
  const refusal = isProofOfRefusal(answer.verdict) ? failureOfRefusal(answer) : undefined;
  const ofAccount = refusal && ['auth', 'no_credit', 'rate_limited'].includes(refusal.code);
  return new ProviderUnreachableError(ofAccount ? refusal : failureOfOutage(answer));
}

/** An error may come as HTTP 200 with another `code` inside, as the official clients also assume (section 2.2). */
export function readAnswer(response: HttpResponse, now: number): Answer {
  const envelope = readEnvelope(response.text);
  const successful = response.status >= 200 && response.status <= 299;
  return {
    envelope,
    readable: successful && envelope !== undefined,
    verdict: successful ? (envelope?.code ?? response.status) : response.status,
    codes: [envelope?.code, envelope?.error_code],
    message: envelope?.message ?? '',
    retryAfterMs: parseRetryAfterMs(response.headers['retry-after'], now),
  };
}

export function jsonBody(value: unknown): NonNullable<HttpRequest['body']> {
  return { contentType: 'application/json', bytes: Buffer.from(JSON.stringify(value)) };
}
