import type { HttpRequest, HttpResponse } from '../http.ts';
import { orderOnce } from '../no-answer.ts';
import type { StartOrder, StartOutcome } from '../provider.ts';
import { outcomeOfRefusal, refuseMalformedModel } from '../refusal.ts';
import { readAnswer, type VendorClient } from '../vendor-client.ts';
import { jsonBody } from '../wire-values.ts';
import { failureOfRefusal } from './failures.ts';
import { partsOf, type ModelParts } from './model.ts';
import { readPredictionId } from './wire.ts';

/** The least that the vendor takes (reference on providers, section 4.1). */
const cancelAfterSecondsMin = 5;

export async function start(client: VendorClient, order: StartOrder): Promise<StartOutcome> {
  const model = partsOf(order.model);
  if (!model) return refuseMalformedModel();
  return await orderOnce(
    () => client.http.request({ ...requestFor(order, model), timeoutMs: client.timeouts.startMs }),
    (response) => outcomeOf(response, client.now()),
  );
}

/** Without `Prefer`: a held connection ends in a timeout that we could not tell from a lost submit. */
function requestFor(order: StartOrder, { owner, name, version }: ModelParts): HttpRequest {
  const { input, callbackUrl: webhook } = order;
  return {
    method: 'POST',
    path: version === undefined ? `/v1/models/${owner}/${name}/predictions` : '/v1/predictions',
    headers: cancelAfter(order.deadlineMs),
    body: jsonBody({
      ...(version !== undefined && { version: order.model }),
      input,
      ...(webhook !== undefined && { webhook, webhook_events_filter: ['completed'] }),
    }),
  };
}

/** The only thing on the vendor's side that ends the cost of an operation which we lost sight of. */
function cancelAfter(deadlineMs: number | undefined): Readonly<Record<string, string>> {
  if (deadlineMs === undefined) return {};
  return { 'cancel-after': `${Math.max(Math.ceil(deadlineMs / 1000), cancelAfterSecondsMin)}s` };
}

/** 201 or 202: the id counts, and a check will tell the rest. */
function outcomeOf(response: HttpResponse, now: number): StartOutcome {
  const answer = readAnswer(response, now);
  const operation = answer.successful ? readPredictionId(answer.json) : undefined;
  if (operation !== undefined) return { kind: 'accepted', operation };
  return outcomeOfRefusal(answer, failureOfRefusal(answer));
}
