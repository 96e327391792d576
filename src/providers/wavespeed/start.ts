import { failureOf } from '../../domain/failure.ts';
import { HttpError, type HttpResponse } from '../http.ts';
import type { StartOrder, StartOutcome } from '../provider.ts';
import { jsonBody, readAnswer, type WaveSpeedClient } from './client.ts';
import { failureOfRefusal, isProofOfRefusal } from './failures.ts';
import { isModel, readPrediction } from './wire.ts';

/**
 * Switches of the transport that many models take in the body (section 2.2). They are ours to set: a held connection
 * ends in a timeout that we could not tell from a lost submit, and base64 is no URL.
 */
const transportInputs: ReadonlySet<string> = new Set(['enable_sync_mode', 'enable_base64_output', 'webhook_url']);

export async function start(client: WaveSpeedClient, order: StartOrder): Promise<StartOutcome> {
  if (!isModel(order.model)) {
    const failure = failureOf('invalid_input', { retry: 'elsewhere', vendorCode: 'model_malformed' });
    return { kind: 'refused', failure };
  }
  try {
    return outcomeOf(await send(client, order), client.now());
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return outcomeOfSilence(error);
  }
}

/** The callback goes in the query: one page shows a body field, the two pages on webhooks and others' code this. */
async function send(client: WaveSpeedClient, order: StartOrder): Promise<HttpResponse> {
  const inputs = Object.entries(order.input).filter(([name]) => !transportInputs.has(name));
  return client.http.request({
    method: 'POST',
    path: `/api/v3/${order.model}`,
    ...(order.callbackUrl !== undefined && { query: { webhook: order.callbackUrl } }),
    body: jsonBody(Object.fromEntries(inputs)),
    timeoutMs: client.timeouts.startMs,
  });
}

/** An id outweighs any `code` beside it: something exists, and a check will tell what became of it. */
function outcomeOf(response: HttpResponse, now: number): StartOutcome {
  const answer = readAnswer(response, now);
  const prediction = answer.readable ? readPrediction(answer.envelope?.data) : undefined;
  if (prediction) return { kind: 'accepted', operation: prediction.id, running: prediction.status !== 'created' };
  if (isProofOfRefusal(answer.verdict)) return { kind: 'refused', failure: failureOfRefusal(answer) };
  return { kind: 'unknown', failure: failureOf('submit_unknown', { vendorCode: `http_${answer.verdict}` }) };
}

function outcomeOfSilence(error: HttpError): StartOutcome {
  const detail = { vendorCode: error.code };
  return error.sent
    ? { kind: 'unknown', failure: failureOf('submit_unknown', detail) }
    : { kind: 'refused', failure: failureOf('provider_unavailable', detail) };
}
