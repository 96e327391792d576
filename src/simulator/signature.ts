import { createHmac } from 'node:crypto';

export interface SignedParts {
  readonly id: string;
  readonly timestamp: string;
  readonly body: string;
}

/** The key is the text after `whsec_` as it stands: unlike Svix and Replicate, WaveSpeed does not base64-decode it. */
export function signCallback(secret: string, { id, timestamp, body }: SignedParts): string {
  const key = secret.replace(/^whsec_/, '');
  return `v3,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('hex')}`;
}
