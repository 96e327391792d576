import { createHmac, randomBytes } from 'node:crypto';
import { limits } from '../domain/limits/limits.ts';

export interface Message {
  /** The same for every try. */
  readonly id: string;
  readonly body: Buffer;
  /** Milliseconds since the epoch, of this try. */
  readonly now: number;
}

/** The headers of Standard Webhooks, `v1`. Each of the keys signs, so that a receiver may know either. */
export function signedHeaders(message: Message, keys: readonly Buffer[]): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(message.now / 1_000));
  const signatures = keys.map((key) => `v1,${signature(key, { ...message, timestamp })}`);
  return {
    'webhook-id': message.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}

function signature(key: Buffer, { id, timestamp, body }: Message & { readonly timestamp: string }): string {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
}

const prefix = 'whsec_';

/** A new secret as its owner gets to see it, once. */
export function newSecret(): string {
  return prefix + randomBytes(limits.webhookSecretBytes).toString('base64');
}

/** The key that a secret stands for. */
export function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(prefix.length), 'base64');
}
