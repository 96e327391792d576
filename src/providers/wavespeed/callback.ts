import type { CallbackDelivery, CallbackReading } from '../provider.ts';
import { readSignedCallback } from '../webhook-signature.ts';
import { progressOf, readPrediction } from './wire.ts';

/**
 * Reads a delivery: the flat prediction, without an envelope (reference on providers, section 2.8). The documented
 * samples of signatures do not recompute (section 11.1), so `forged` may yet be the vendor's own doing.
 */
export function readCallback(delivery: CallbackDelivery, key: string | undefined): CallbackReading {
  return readSignedCallback(delivery, {
    scheme: key === undefined ? undefined : { key, digestIn },
    reportIn: (body) => {
      const prediction = readPrediction(body);
      return prediction && { operation: prediction.id, progress: progressOf(prediction) };
    },
  });
}

/** The key is the text after `whsec_`: it looks like base64, and is not decoded. An empty one is everybody's. */
export function callbackKey(webhookSecret: string): string {
  const key = webhookSecret.replace(/^whsec_/, '');
  if (/^\S+$/.test(key)) return key;
  throw new Error('the webhook secret of WaveSpeed is empty, or has spaces in it: copy it again, whole');
}

function digestIn(signature: string): Buffer | undefined {
  const digits = /^v3,([0-9a-f]{64})$/.exec(signature)?.[1];
  return digits === undefined ? undefined : Buffer.from(digits, 'hex');
}
