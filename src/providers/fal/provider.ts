import { isConfirmed } from '../no-answer.ts';
import type { OperationHandle, VideoProvider } from '../provider.ts';
import type { ProviderSettings } from '../settings.ts';
import { ask } from '../vendor-client.ts';
import { readCallback } from './callback.ts';
import { check } from './check.ts';
import { createClient, type FalClient } from './client.ts';
import { pathOf } from './operation.ts';
import { start } from './start.ts';
import { uploadImage } from './upload.ts';
import { readState } from './wire.ts';

/** fal.ai by its queue (reference on providers, section 3). It lists no requests, so there is nothing to find, nor erases any. */
export function createFalProvider(settings: ProviderSettings): Omit<Required<VideoProvider>, 'find' | 'erase'> {
  const client = createClient(settings);
  return {
    name: 'fal',
    cancelMeans: 'stops',
    start: (order) => start(client, order),
    check: (handle) => check(client, handle),
    cancel: (handle) => isConfirmed(() => cancel(client, handle)),
    readCallback: (delivery) => readCallback(delivery, client.keys),
    uploadImage: (image) => uploadImage(client, image),
  };
}

/** A request that waits is taken out of the queue; one that runs is told to stop, and most models do. */
async function cancel({ queue }: FalClient, handle: OperationHandle): Promise<boolean> {
  const answer = await ask(queue, { method: 'PUT', path: `${pathOf(handle)}/cancel` });
  if (!answer.successful) return false;
  // The bodies are known from memory only (section 3.2): 202 alone is a yes, unless it says that it came too late.
  const status = readState(answer.json)?.status.toUpperCase();
  return status === undefined ? answer.status === 202 : !tooLate.includes(status);
}

const tooLate: readonly string[] = ['ALREADY_COMPLETED', 'NOT_FOUND'];
