import { createHmac, timingSafeEqual } from 'node:crypto';

import type { CallbackDelivery, CallbackReading } from '../provider.ts';
import { parseJson, progressOf, readPrediction } from './wire.ts';

const toleranceSeconds = 300;

/**
 * Reads a delivery: the flat prediction, without an envelope (reference on providers, section 2.8). The documented
 * samples of signatures do not recompute (section 11.1), so `forged` may yet be the vendor's own doing.
 */
export function readCallback(delivery: CallbackDelivery, webhookSecret: string | undefined): CallbackReading {
  const prediction = readPrediction(parseJson(Buffer.from(delivery.rawBody).toString('utf8')));
  if (webhookSecret !== undefined) {
    const flaw = signatureFlaw(delivery, webhookSecret);
    if (flaw) return { kind: 'forged', reason: flaw };
  }
  if (!prediction) return { kind: 'unreadable', reason: 'not_a_prediction' };
  if (webhookSecret === undefined) return { kind: 'unsigned' };
  return { kind: 'report', operation: prediction.id, progress: progressOf(prediction) };
}

/** What is wrong with the proof, as a code; `undefined` when it holds. */
function signatureFlaw(delivery: CallbackDelivery, secret: string): string | undefined {
  const id = delivery.headers['webhook-id'];
  const timestamp = delivery.headers['webhook-timestamp'];
  const signatures = delivery.headers['webhook-signature'];
  if (!id || !timestamp || !signatures) return 'header_missing';
  if (!/^\d{1,12}$/.test(timestamp)) return 'timestamp_malformed';
  if (Math.abs(delivery.now / 1000 - Number(timestamp)) > toleranceSeconds) return 'timestamp_stale';
  const expected = signatureOf({ id, timestamp, rawBody: delivery.rawBody }, secret);
  return signatures.split(' ').some((signature) => isSame(signature, expected)) ? undefined : 'signature_wrong';
}

/** The key is the text after `whsec_`: it looks like base64, and is not decoded. */
function signatureOf(signed: { id: string; timestamp: string; rawBody: Uint8Array }, secret: string): Buffer {
  return createHmac('sha256', secret.replace(/^whsec_/, ''))
    .update(`${signed.id}.${signed.timestamp}.`)
    .update(signed.rawBody)
    .digest();
}

function isSame(signature: string, expected: Buffer): boolean {
  const digits = /^v3,([0-9a-f]{64})$/.exec(signature)?.[1];
  return digits !== undefined && timingSafeEqual(Buffer.from(digits, 'hex'), expected);
}
