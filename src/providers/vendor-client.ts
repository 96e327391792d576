import { createHttp, type Http, type HttpRequest, type HttpResponse, type HttpSettings } from './http.ts';
import { askFreely } from './no-answer.ts';
import { parseRetryAfterMs } from './retry-after.ts';
import { defaultTimeouts, type ProviderSettings, type ProviderTimeouts } from './settings.ts';
import { parseJson } from './wire-values.ts';

/** What an adapter speaks through: the door to its vendor, its deadlines and its clock. */
export interface VendorClient {
  readonly http: Http;
  readonly timeouts: ProviderTimeouts;
  readonly now: () => number;
}

/** An answer, read as far as it goes without knowing whose it is. */
export interface Answer {
  readonly status: number;
  /** A 2xx. What it holds may still be anything. */
  readonly successful: boolean;
  /** `undefined` when the text was no JSON. */
  readonly json: unknown;
  /** For what a vendor says beside its body. */
  readonly headers: HttpResponse['headers'];
  readonly retryAfterMs: number | undefined;
}

/** `headers` go with every request: the key, and whatever else the vendor wants to see each time. */
export function createVendorClient(settings: ProviderSettings, headers: HttpSettings['headers']): VendorClient {
  const timeouts = { ...defaultTimeouts, ...settings.timeouts };
  const http = createHttp({
    baseUrl: settings.baseUrl,
    headers,
    timeouts: { connectMs: timeouts.connectMs, totalMs: timeouts.askMs },
  });
  return { http, timeouts, now: settings.now ?? Date.now };
}

/** Asks what costs nothing. Throws `ProviderUnreachableError` when nothing came back. */
export async function ask(client: VendorClient, request: HttpRequest): Promise<Answer> {
  return readAnswer(await askFreely(client.http, request), client.now());
}

export function readAnswer({ status, headers, text }: HttpResponse, now: number): Answer {
  return {
    status,
    successful: status >= 200 && status <= 299,
    json: parseJson(text),
    headers,
    retryAfterMs: parseRetryAfterMs(headers['retry-after'], now),
  };
}
