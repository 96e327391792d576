import { createHash } from 'node:crypto';

import type { CallbackDelivery, CallbackReading, Progress } from '../provider.ts';
import { timestampFlaw } from '../webhook-signature.ts';
import { parseJson } from '../wire-values.ts';
import { failureOfEvidence } from './failures.ts';
import type { PublishedKeys, Signed } from './jwks.ts';
import { progressOfOutput, readDelivery, readError, typesIn, type Delivery, type Evidence } from './wire.ts';

/**
 * Reads a delivery (reference on providers, section 3.5). The layout of what is signed comes from others' verifiers,
 * and not from the vendor's own text, so `forged` may yet be the vendor's doing. A signature proves that fal sent it,
 * to whichever of its customers: that it is about our request is for the id in it to show.
 */
export async function readCallback(delivery: CallbackDelivery, keys: PublishedKeys): Promise<CallbackReading> {
  const signed = signedParts(delivery);
  if (typeof signed === 'string') return { kind: 'forged', reason: signed };
  const genuine = await keys.verify(signed);
  if (genuine === false) return { kind: 'forged', reason: 'signature_wrong' };
  const said = readDelivery(parseJson(Buffer.from(delivery.rawBody).toString('utf8')));
  if (!said) return { kind: 'unreadable', reason: 'not_a_delivery' };
  const progress = genuine ? progressOf(said) : undefined;
  return progress ? { kind: 'report', operation: said.request_id, progress } : { kind: 'unsigned' };
}

/** What is signed and by what, or what is wrong with it, as a code. */
function signedParts({ headers, rawBody, now }: CallbackDelivery): Signed | string {
  const requestId = headers['x-fal-webhook-request-id'];
  const userId = headers['x-fal-webhook-user-id'];
  const timestamp = headers['x-fal-webhook-timestamp'];
  const signature = headers['x-fal-webhook-signature'];
  if (!requestId || !userId || !timestamp || !signature) return 'header_missing';
  const flaw = timestampFlaw(timestamp, now);
  if (flaw) return flaw;
  if (!/^[0-9a-f]{128}$/i.test(signature)) return 'signature_wrong';
  const digest = createHash('sha256').update(rawBody).digest('hex');
  const message = Buffer.from([requestId, userId, timestamp, digest].join('\n'), 'utf8');
  return { message, signature: Buffer.from(signature, 'hex') };
}

/** `undefined`: genuine, and yet it does not say how it went, so that the vendor has to be asked. */
function progressOf(said: Delivery): Progress | undefined {
  switch (said.status.toUpperCase()) {
    case 'OK':
      // An output that could not be put into the delivery is told by `payload_error`, and is there all the same.
      return typeof said.payload === 'object' && said.payload !== null ? progressOfOutput(said.payload) : undefined;
    case 'ERROR':
      return { kind: 'failed', failure: failureOfEvidence(evidenceIn(said)) };
    case 'IN_QUEUE':
      return { kind: 'queued' };
    default:
      return { kind: 'running' };
  }
}

/** The payload is then the body of the error, and its status is told in words: `Invalid status code: 422`. */
function evidenceIn({ payload, error, error_type: type }: Delivery): Evidence {
  const body = readError(payload);
  const status = typeof error === 'string' ? /^Invalid status code: ([45]\d\d)$/.exec(error)?.[1] : undefined;
  const statusOfModel = body?.isOfModel ? 422 : undefined;
  return {
    status: status === undefined ? statusOfModel : Number(status),
    types: [...typesIn(type), ...(body?.types ?? [])],
  };
}
