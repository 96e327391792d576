import { assert } from '../../domain/assert.ts';
import { failureOf } from '../../domain/failure.ts';
import { isConfirmed } from '../no-answer.ts';
import { ProviderUnreachableError, type InputImage, type Progress, type VideoProvider } from '../provider.ts';
import { anotherOperation, missingOperation } from '../refusal.ts';
import type { ProviderSettings } from '../settings.ts';
import { ask, type VendorClient } from '../vendor-client.ts';
import { isSafeSegment } from '../wire-values.ts';
import { createClient, unreachable } from './client.ts';
import { readError } from './failures.ts';
import { start } from './start.ts';
import { progressOf, readTask } from './wire.ts';

/** Runway and nothing more: it can't call us back, nor list what it was given. */
type RunwayProvider = VideoProvider & Required<Pick<VideoProvider, 'cancel' | 'erase' | 'uploadImage'>>;

/** Of the URL as a whole, base64 and all (reference on providers, section 5). */
const dataUrlCharsMax = 5 * 1024 * 1024 - 1;

/** Runway (reference on providers, section 5): no callbacks, so polling alone carries a job from submit to end. */
export function createRunwayProvider(settings: ProviderSettings): RunwayProvider {
  const client = createClient(settings);
  return {
    name: 'runway',
    cancelMeans: 'stops',
    start: (order) => start(client, order),
    check: ({ operation }) => check(client, operation),
    cancel: ({ operation }) => isConfirmed(() => cancel(client, operation)),
    erase: ({ operation }) => erase(client, operation),
    uploadImage: async (image) => dataUrlOf(image),
  };
}

async function check(client: VendorClient, operation: string): Promise<Progress> {
  const answer = await ask(client, { method: 'GET', path: taskPath(operation) });
  const task = answer.successful ? readTask(answer.json) : undefined;
  if (task?.id === operation) return progressOf(task);
  if (task) throw anotherOperation();
  // What was cancelled or deleted is not found any more; the HTML of a gateway that lost its routes is no such word.
  if (answer.status === 404 && readError(answer.json) !== undefined) {
    return { kind: 'failed', failure: missingOperation() };
  }
  throw unreachable(answer);
}

/** Stops what waits or runs. Of what has ended it deletes the outputs: nobody asks for that who still wants them. */
async function cancel(client: VendorClient, operation: string): Promise<boolean> {
  return (await ask(client, { method: 'DELETE', path: taskPath(operation) })).successful;
}

/** The same call deletes the outputs of what has ended. What can't be found is gone, by its 404 or by an earlier call. */
async function erase(client: VendorClient, operation: string): Promise<void> {
  const answer = await ask(client, { method: 'DELETE', path: taskPath(operation) });
  const isGone = answer.status === 404 && readError(answer.json) !== undefined;
  if (!answer.successful && !isGone) throw unreachable(answer);
}

/** The vendor's own uploads are two steps, the second at a storage of somebody else's. A picture fits into the order. */
function dataUrlOf({ bytes, contentType }: InputImage): string {
  const url = `data:${contentType};base64,${Buffer.from(bytes).toString('base64')}`;
  if (url.length <= dataUrlCharsMax) return url;
  throw new ProviderUnreachableError(failureOf('invalid_input', { retry: 'elsewhere', vendorCode: 'image_too_large' }));
}

function taskPath(operation: string): string {
  assert(isSafeSegment(operation), 'an operation id was kept that is not safe in a path');
  return `/v1/tasks/${operation}`;
}
