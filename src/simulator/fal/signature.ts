import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import type { CallbackHeaders, SignedParts } from '../callback-rules.ts';

const userId = 'user_simulated';
/** What precedes the 32 bytes of a seed in PKCS #8 (RFC 8410). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

export function signedHeaders(parts: SignedParts): CallbackHeaders {
  const { id, timestamp, body, secret } = parts;
  const digest = createHash('sha256').update(body).digest('hex');
  const message = Buffer.from([id, userId, timestamp, digest].join('\n'));
  return {
    'x-fal-webhook-request-id': id,
    'x-fal-webhook-user-id': userId,
    'x-fal-webhook-timestamp': timestamp,
    'x-fal-webhook-signature': sign(null, message, privateKeyOf(secret)).toString('hex'),
  };
}

/** The key pair comes from the secret, so that it outlives the process and a forger's is another one. */
export function keySetOf(secret: string): object {
  const { x } = createPublicKey(privateKeyOf(secret)).export({ format: 'jwk' });
  return { keys: [{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid: 'simulated', x }] };
}

function privateKeyOf(secret: string): KeyObject {
  const seed = createHash('sha256').update(secret).digest();
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
}
