import type { Request } from 'express';
import type { AskedJob } from '../../db/jobs/accept.ts';
import { type Caller, callerOf } from '../auth/caller.ts';
import { type CheckedImage, checkImage } from '../input/check-image.ts';
import { beginDatabaseWait, type DatabaseWait } from '../database-wait.ts';
import { fingerprintOf, idempotencyKeyOf } from './idempotency.ts';
import type { ImageReference } from '../input/image-reference.ts';
import { newUuid } from '../new-uuid.ts';
import { readVideoBody } from '../input/read-body.ts';
import { retryNumberOf, type TriedOrder } from './retry-inference.ts';
import { parseVideoWish, type VideoWish } from '../schemas.ts';

/** What one request asks for, before the catalogue has chosen. */
export interface Order extends AskedJob, TriedOrder {
  readonly caller: Caller;
  readonly wish: VideoWish;
  readonly reference: CheckedReference | undefined;
  readonly wait: DatabaseWait;
}

type CheckedReference = Exclude<ImageReference, { kind: 'bytes' }> | ({ readonly kind: 'bytes' } & CheckedImage);

/** Reads and checks everything of a request that can be checked without the catalogue. `receivedAt`: milliseconds since the epoch. */
export async function readOrder(request: Request, receivedAt: number): Promise<Order> {
  const key = idempotencyKeyOf(request);
  const body = await readVideoBody(request);
  const wish = parseVideoWish(body.fields);
  const reference = body.reference && (await checkReference(body.reference));
  const retry = key === undefined ? retryNumberOf(request) : undefined;
  // Nobody asks for the fingerprint of what can't be told from another request.
  const fingerprint = key === undefined && retry === undefined ? '' : fingerprintOf(wish, reference);
  const idempotency = key === undefined ? null : { key, fingerprint };
  const tried = retry === undefined ? undefined : { fingerprint, retry, receivedAt };
  const caller = callerOf(request);
  const { tenant } = caller;
  const id = `video_${newUuid()}`;
  return { id, tenant, caller, idempotency, tried, wish, reference, wait: beginDatabaseWait() };
}

async function checkReference(reference: ImageReference): Promise<CheckedReference> {
  return reference.kind === 'bytes' ? { kind: 'bytes', ...(await checkImage(reference.bytes)) } : reference;
}
