import type { CallbackDelivery, CallbackReading } from '../provider.ts';
import { readSignedCallback } from '../webhook-signature.ts';
import { progressOf, readPrediction } from './wire.ts';

/** Reads a delivery: the prediction as a check would answer it (reference on providers, section 4.6). */
export function readCallback(delivery: CallbackDelivery, key: Buffer | undefined): CallbackReading {
  return readSignedCallback(delivery, {
    scheme: key === undefined ? undefined : { key, digestIn },
    reportIn: (body) => {
      const prediction = readPrediction(body);
      return prediction && { operation: prediction.id, progress: progressOf(prediction) };
    },
  });
}

/**
 * Standard Webhooks: the key is what the base64 after `whsec_` stands for. Node decodes anything, down to an empty key
 * that everybody has, so a secret that is none is refused here.
 */
export function callbackKey(webhookSecret: string): Buffer {
  const text = webhookSecret.replace(/^whsec_/, '');
  if (/^[A-Za-z0-9+/]{8,}={0,2}$/.test(text)) return Buffer.from(text, 'base64');
  throw new Error('the webhook secret of Replicate has to be base64: copy it again, whole, from its webhook settings');
}

function digestIn(signature: string): Buffer | undefined {
  const digest = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(signature)?.[1];
  return digest === undefined ? undefined : Buffer.from(digest, 'base64');
}
