import type { CallbackDelivery, CallbackReading } from '../provider.ts';
import { signatureFlaw, type SignatureScheme } from '../webhook-signature.ts';
import { parseJson } from '../wire-values.ts';
import { progressOf, readPrediction } from './wire.ts';

/**
 * Reads a delivery: the flat prediction, without an envelope (reference on providers, section 2.8). The documented
 * samples of signatures do not recompute (section 11.1), so `forged` may yet be the vendor's own doing.
 */
export function readCallback(delivery: CallbackDelivery, webhookSecret: string | undefined): CallbackReading {
  const prediction = readPrediction(parseJson(Buffer.from(delivery.rawBody).toString('utf8')));
  if (webhookSecret !== undefined) {
    const flaw = signatureFlaw(delivery, schemeOf(webhookSecret));
    if (flaw) return { kind: 'forged', reason: flaw };
  }
  if (!prediction) return { kind: 'unreadable', reason: 'not_a_prediction' };
  if (webhookSecret === undefined) return { kind: 'unsigned' };
  return { kind: 'report', operation: prediction.id, progress: progressOf(prediction) };
}

/** The key is the text after `whsec_`: it looks like base64, and is not decoded. */
function schemeOf(webhookSecret: string): SignatureScheme {
  return { key: webhookSecret.replace(/^whsec_/, ''), digestIn };
}

function digestIn(signature: string): Buffer | undefined {
  const digits = /^v3,([0-9a-f]{64})$/.exec(signature)?.[1];
  return digits === undefined ? undefined : Buffer.from(digits, 'hex');
}
