import type { HttpResponse } from '../http.ts';
import { orderOnce } from '../no-answer.ts';
import type { StartOrder, StartOutcome } from '../provider.ts';
import { outcomeOfRefusal, refuseMalformedModel } from '../refusal.ts';
import type { VendorClient } from '../vendor-client.ts';
import { isSafePath, jsonBody } from '../wire-values.ts';
import { readAnswer } from './client.ts';
import { failureOfRefusal, isProofOfRefusal, refusalOf } from './failures.ts';
import { readPredictionId } from './wire.ts';

/**
 * Switches of the transport that many models take in the body (section 2.2). They are ours to set: a held connection
 * ends in a timeout that we could not tell from a lost submit, and base64 is no URL.
 */
const transportInputs: ReadonlySet<string> = new Set(['enable_sync_mode', 'enable_base64_output', 'webhook_url']);

export async function start(client: VendorClient, order: StartOrder): Promise<StartOutcome> {
  if (!isSafePath(order.model)) return refuseMalformedModel();
  return await orderOnce(
    () => send(client, order),
    (response) => outcomeOf(response, client.now()),
  );
}

/** The callback goes in the query: one page shows a body field, the two pages on webhooks and others' code this. */
async function send(client: VendorClient, order: StartOrder): Promise<HttpResponse> {
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
  const operation = answer.readable ? readPredictionId(answer.envelope?.data) : undefined;
  if (operation !== undefined) return { kind: 'accepted', operation };
  const failure = failureOfRefusal(answer);
  return isProofOfRefusal(answer.verdict) ? { kind: 'refused', failure } : outcomeOfRefusal(refusalOf(answer), failure);
}
