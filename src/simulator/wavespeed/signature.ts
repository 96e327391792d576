import { createHmac } from 'node:crypto';
import type { SignedParts } from '../callback-rules.ts';

/** The key is the text after `whsec_` as it stands: unlike Svix and Replicate, WaveSpeed does not base64-decode it. */
export function signCallback({ id, timestamp, body, secret }: SignedParts): string {
  const key = secret.replace(/^whsec_/, '');
  return `v3,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('hex')}`;
}
