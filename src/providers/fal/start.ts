import type { HttpResponse } from '../http.ts';
import { orderOnce } from '../no-answer.ts';
import type { StartOrder, StartOutcome } from '../provider.ts';
import { outcomeOfRefusal, refuseMalformedModel } from '../refusal.ts';
import { readAnswer } from '../vendor-client.ts';
import { jsonBody } from '../wire-values.ts';
import type { FalClient } from './client.ts';
import { failureOfRefusal } from './failures.ts';
import { isEndpointId, operationOf } from './operation.ts';
import { readSubmission } from './wire.ts';

/** A switch that many models take in the body, and that is ours to set: its answer would hold bytes and no URL. */
const transportInputs: ReadonlySet<string> = new Set(['sync_mode']);

export async function start(client: FalClient, order: StartOrder): Promise<StartOutcome> {
  if (!isEndpointId(order.model)) return refuseMalformedModel();
  return await orderOnce(
    () => send(client, order),
    (response) => outcomeOf(client, order, response),
  );
}

async function send({ queue }: FalClient, order: StartOrder): Promise<HttpResponse> {
  const inputs = Object.entries(order.input).filter(([name]) => !transportInputs.has(name));
  return await queue.http.request({
    method: 'POST',
    path: `/${order.model}`,
    ...(order.callbackUrl !== undefined && { query: { fal_webhook: order.callbackUrl } }),
    headers: headersOf(order),
    body: jsonBody(Object.fromEntries(inputs)),
    timeoutMs: queue.timeouts.startMs,
  });
}

/**
 * fal's own repeats stay on (`x-fal-no-retry` is not sent): it runs a request that its runner dropped again, under the
 * same id and for the same money, which no order of ours could be; and what comes back as failed for that reason we
 * don't order there again. Its fallbacks are off: another endpoint is another model than was asked for, and priced.
 *
 * The limit of time covers the queue and those repeats, and not a run that has begun: that is for `cancel` to stop.
 */
function headersOf({ deadlineMs }: StartOrder): Record<string, string> {
  return {
    'x-app-fal-disable-fallback': '1',
    ...(deadlineMs !== undefined && {
      'x-fal-request-timeout': String(Math.max(1, Math.ceil(deadlineMs / 1000))),
    }),
  };
}

function outcomeOf({ queue, baseUrl }: FalClient, { model }: StartOrder, response: HttpResponse): StartOutcome {
  const answer = readAnswer(response, queue.now());
  const submission = answer.successful ? readSubmission(answer.json) : undefined;
  if (!submission) return outcomeOfRefusal(answer, failureOfRefusal(answer));
  const { request_id: requestId, status_url: statusUrl } = submission;
  const operation = operationOf({ requestId, statusUrl: statusUrl ?? undefined }, { model, baseUrl });
  return { kind: 'accepted', operation };
}
