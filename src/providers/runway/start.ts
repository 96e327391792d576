import type { HttpResponse } from '../http.ts';
import { orderOnce } from '../no-answer.ts';
import type { StartOrder, StartOutcome } from '../provider.ts';
import { outcomeOfRefusal, refuseMalformedModel } from '../refusal.ts';
import { readAnswer, type VendorClient } from '../vendor-client.ts';
import { isSafeSegment, jsonBody } from '../wire-values.ts';
import { failureOfRefusal } from './failures.ts';
import { readTaskId } from './wire.ts';

/**
 * A model id of ours is `<route>/<model>`, for one model does several kinds of work: `text_to_video/gen4.5`. The vendor
 * takes neither a callback nor a deadline.
 */
export async function start(client: VendorClient, { model: id, input }: StartOrder): Promise<StartOutcome> {
  const [route = '', model = '', ...others] = id.split('/');
  if (!isSafeSegment(route) || !isSafeSegment(model) || others.length > 0) return refuseMalformedModel();
  return await orderOnce(
    () =>
      client.http.request({
        method: 'POST',
        path: `/v1/${route}`,
        body: jsonBody({ ...input, model }),
        timeoutMs: client.timeouts.startMs,
      }),
    (response) => outcomeOf(response, client.now()),
  );
}

function outcomeOf(response: HttpResponse, now: number): StartOutcome {
  const answer = readAnswer(response, now);
  const operation = answer.successful ? readTaskId(answer.json) : undefined;
  if (operation !== undefined) return { kind: 'accepted', operation };
  return outcomeOfRefusal(answer, failureOfRefusal(answer));
}
