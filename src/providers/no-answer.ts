import { failureOf } from '../domain/failure.ts';
import { HttpError, type Http, type HttpRequest, type HttpResponse } from './http.ts';
import { ProviderUnreachableError, type StartOutcome } from './provider.ts';

/**
 * Whether a status proves that nothing was created. 408 and 499 are timeouts: the work may go on behind them (reference
 * on providers, section 12).
 */
export function isProofOfRefusal(status: number): boolean {
  return status >= 400 && status <= 499 && status !== 408 && status !== 499;
}

/** What a paid order became that was never answered: only what was never written is certain not to exist. */
function outcomeOfSilence({ sent, code: vendorCode }: HttpError): StartOutcome {
  return sent
    ? { kind: 'unknown', failure: failureOf('ambiguous_submit', { vendorCode }) }
    : { kind: 'refused', failure: failureOf('unreachable', { vendorCode }) };
}

/** Asks what costs nothing. Throws `ProviderUnreachableError` when nothing came back. */
export async function askFreely(http: Http, request: HttpRequest): Promise<HttpResponse> {
  try {
    return await http.request(request);
  } catch (cause) {
    if (!(cause instanceof HttpError)) throw cause;
    throw new ProviderUnreachableError(failureOf('unreachable', { vendorCode: cause.code }), { cause });
  }
}

/** Asks for a confirmation that nobody depends on: no answer is none. */
export async function isConfirmed(ask: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProviderUnreachableError) return false;
    throw error;
  }
}

/** Sends one paid order and reads its answer; silence is read as what it proves. */
export async function orderOnce(
  send: () => Promise<HttpResponse>,
  read: (response: HttpResponse) => StartOutcome,
): Promise<StartOutcome> {
  try {
    return read(await send());
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return outcomeOfSilence(error);
  }
}
