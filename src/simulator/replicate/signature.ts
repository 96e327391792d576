import { createHmac } from 'node:crypto';
import type { SignedParts } from '../callback-rules.ts';

/** Standard Webhooks: unlike WaveSpeed's, the key is what the base64 after `whsec_` stands for. */
export function signCallback({ id, timestamp, body, secret }: SignedParts): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
