import type { HttpRequest, HttpResponse } from '../http.ts';
import { askFreely } from '../no-answer.ts';
import type { ProviderUnreachableError } from '../provider.ts';
import { endOfQuestion } from '../refusal.ts';
import { parseRetryAfterMs } from '../retry-after.ts';
import type { ProviderSettings } from '../settings.ts';
import { createVendorClient, type VendorClient } from '../vendor-client.ts';
import { failureOfRefusal, refusalOf, type Verdict } from './failures.ts';
import { readEnvelope, type Envelope } from './wire.ts';

/** An answer, read as far as it goes. */
export interface Answer extends Verdict {
  /** Absent when the text was no JSON object. */
  readonly envelope: Envelope | undefined;
  /** A 2xx that holds an envelope. Its `code` may still be an error. */
  readonly readable: boolean;
}

export function createClient(settings: ProviderSettings): VendorClient {
  return createVendorClient(settings, () => ({ authorization: `Bearer ${settings.apiKey}` }));
}

/** Asks what costs nothing. Throws `ProviderUnreachableError` when nothing came back. */
export async function ask(client: VendorClient, request: HttpRequest): Promise<Answer> {
  return readAnswer(await askFreely(client.http, request), client.now());
}

export function unreachable(answer: Answer): ProviderUnreachableError {
  return endOfQuestion(refusalOf(answer), failureOfRefusal(answer));
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
