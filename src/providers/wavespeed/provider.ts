import { assert } from '../../domain/assert.ts';
import { isConfirmed } from '../no-answer.ts';
import { multipartImage } from '../multipart.ts';
import { ProviderUnreachableError, type InputImage, type Progress, type VideoProvider } from '../provider.ts';
import { anotherOperation, missingOperation } from '../refusal.ts';
import type { ProviderSettings } from '../settings.ts';
import type { VendorClient } from '../vendor-client.ts';
import { isSafeSegment } from '../wire-values.ts';
import { callbackKey, readCallback } from './callback.ts';
import { ask, createClient, unreachable } from './client.ts';
import { failureOfRefusal, isProofOfRefusal } from './failures.ts';
import { find } from './find.ts';
import { start } from './start.ts';
import { progressOf, readPrediction, readUploadUrl } from './wire.ts';

/** WaveSpeedAI (reference on providers, section 2): one account in front of many makers' models. */
export function createWaveSpeedProvider(settings: ProviderSettings): Required<VideoProvider> {
  const client = createClient(settings);
  const key = settings.webhookSecret === undefined ? undefined : callbackKey(settings.webhookSecret);
  return {
    name: 'wavespeed',
    cancelMeans: 'forgets',
    start: (order) => start(client, order),
    check: ({ operation }) => check(client, operation),
    cancel: ({ operation }) => isConfirmed(() => cancel(client, operation)),
    erase: ({ operation }) => erase(client, operation),
    readCallback: async (delivery) => readCallback(delivery, key),
    find: (query) => find(client, query),
    uploadImage: (image) => uploadImage(client, image),
  };
}

async function check(client: VendorClient, operation: string): Promise<Progress> {
  const answer = await ask(client, { method: 'GET', path: `${predictionPath(operation)}/result` });
  const prediction = answer.readable ? readPrediction(answer.envelope?.data) : undefined;
  if (prediction?.id === operation) return progressOf(prediction, answer.envelope?.code);
  if (prediction) throw anotherOperation();
  // Only in the vendor's own form: the HTML of a gateway that lost its routes says nothing of the operation.
  if (answer.verdict === 404 && answer.envelope) return { kind: 'failed', failure: missingOperation() };
  throw unreachable(answer);
}

/**
 * The documented call; the official command line uses another one (section 2.6). It removes the outputs of a finished
 * operation, and neither stops a running one for certain nor its cost.
 */
async function cancel(client: VendorClient, operation: string): Promise<boolean> {
  const answer = await ask(client, { method: 'DELETE', path: predictionPath(operation) });
  return answer.readable && answer.verdict >= 200 && answer.verdict <= 299;
}

/** The same call. What can't be found is gone, by its 404 or by an earlier call. */
async function erase(client: VendorClient, operation: string): Promise<void> {
  const answer = await ask(client, { method: 'DELETE', path: predictionPath(operation) });
  const isErased = answer.readable && answer.verdict >= 200 && answer.verdict <= 299;
  const isGone = answer.verdict === 404 && answer.envelope !== undefined;
  if (!isErased && !isGone) throw unreachable(answer);
}

async function uploadImage(client: VendorClient, image: InputImage): Promise<string> {
  const answer = await ask(client, {
    method: 'POST',
    path: '/api/v3/media/upload/binary',
    body: multipartImage('file', image),
    timeoutMs: client.timeouts.uploadMs,
  });
  const url = answer.readable ? readUploadUrl(answer.envelope?.data) : undefined;
  if (url !== undefined) return url;
  // Here the picture itself is in the request, so a refusal may be its fault.
  if (isProofOfRefusal(answer.verdict)) throw new ProviderUnreachableError(failureOfRefusal(answer));
  throw unreachable(answer);
}

function predictionPath(operation: string): string {
  assert(isSafeSegment(operation), 'an operation id was kept that is not safe in a path');
  return `/api/v3/predictions/${operation}`;
}
