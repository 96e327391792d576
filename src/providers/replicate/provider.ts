import { assert } from '../../domain/assert.ts';
import { isConfirmed, isProofOfRefusal } from '../no-answer.ts';
import { multipartImage } from '../multipart.ts';
import { ProviderUnreachableError, type InputImage, type Progress, type VideoProvider } from '../provider.ts';
import { anotherOperation, missingOperation } from '../refusal.ts';
import type { ProviderSettings } from '../settings.ts';
import { ask, type VendorClient } from '../vendor-client.ts';
import { isSafeSegment } from '../wire-values.ts';
import { callbackKey, readCallback } from './callback.ts';
import { createClient, unreachable } from './client.ts';
import { failureOfRefusal } from './failures.ts';
import { find } from './find.ts';
import { readProblem } from './problem.ts';
import { start } from './start.ts';
import { progressOf, readFileUrl, readPrediction } from './wire.ts';

/** Replicate (reference on providers, section 4): many makers' models, and nothing kept for longer than an hour, so nothing to erase. */
export function createReplicateProvider(settings: ProviderSettings): Omit<Required<VideoProvider>, 'erase'> {
  const client = createClient(settings);
  const key = settings.webhookSecret === undefined ? undefined : callbackKey(settings.webhookSecret);
  return {
    name: 'replicate',
    cancelMeans: 'stops',
    start: (order) => start(client, order),
    check: ({ operation }) => check(client, operation),
    cancel: ({ operation }) => isConfirmed(() => cancel(client, operation)),
    readCallback: async (delivery) => readCallback(delivery, key),
    find: (query) => find(client, query),
    uploadImage: (image) => uploadImage(client, image),
  };
}

async function check(client: VendorClient, operation: string): Promise<Progress> {
  const answer = await ask(client, { method: 'GET', path: predictionPath(operation) });
  const prediction = answer.successful ? readPrediction(answer.json) : undefined;
  if (prediction?.id === operation) return progressOf(prediction);
  if (prediction) throw anotherOperation();
  // Only in the vendor's own form: the HTML of a gateway that lost its routes says nothing of the operation.
  if (answer.status === 404 && readProblem(answer.json)) return { kind: 'failed', failure: missingOperation() };
  throw unreachable(answer);
}

/** What had already ended well or badly was not stopped, and the vendor answers such a call with success too. */
async function cancel(client: VendorClient, operation: string): Promise<boolean> {
  const answer = await ask(client, { method: 'POST', path: `${predictionPath(operation)}/cancel` });
  const prediction = answer.successful ? readPrediction(answer.json) : undefined;
  return prediction?.id === operation && !['succeeded', 'failed'].includes(prediction.status);
}

async function uploadImage(client: VendorClient, image: InputImage): Promise<string> {
  const answer = await ask(client, {
    method: 'POST',
    path: '/v1/files',
    body: multipartImage('content', image),
    timeoutMs: client.timeouts.uploadMs,
  });
  const url = answer.successful ? readFileUrl(answer.json) : undefined;
  if (url !== undefined) return url;
  // Here the picture itself is in the request, so a refusal may be its fault.
  if (isProofOfRefusal(answer.status)) throw new ProviderUnreachableError(failureOfRefusal(answer));
  throw unreachable(answer);
}

function predictionPath(operation: string): string {
  assert(isSafeSegment(operation), 'an operation id was kept that is not safe in a path');
  return `/v1/predictions/${operation}`;
}
