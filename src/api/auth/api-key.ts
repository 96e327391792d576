import { hash, randomBytes } from 'node:crypto';

/**
 * `spw_live_<id>_<secret>`: what opens the API to a tenant. The id, 128 random bits, is how a key is found and spoken of;
 * the secret, 256 random bits, is shown once and kept as its hash only. Both are in letters and digits, so that the key
 * is one word to a mouse and comes apart in one way.
 */
export interface ApiKey {
  readonly id: string;
  readonly secret: string;
}

export function newApiKey(): ApiKey {
  return { id: base62(randomBytes(16), idCharacters), secret: base62(randomBytes(32), secretCharacters) };
}

export function apiKeyText({ id, secret }: ApiKey): string {
  return `${prefix}${id}_${secret}`;
}

/** Undefined: it has not the form of a key, so nobody needs to be asked about it. */
export function parseApiKey(text: string): ApiKey | undefined {
  const [, id, secret] = keyPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** The secret is beyond guessing, so a fast hash of it is as good as a slow one. */
export function secretSha256(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

export function isKeyId(text: string): boolean {
  return idPattern.test(text);
}

const prefix = 'spw_live_';
const idCharacters = 22;
const secretCharacters = 43;
const idPattern = /^[0-9A-Za-z]{22}$/;
const keyPattern = /^spw_live_([0-9A-Za-z]{22})_([0-9A-Za-z]{43})$/;
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** 62 to the power of 22 and of 43 is just more than 2 to the power of 128 and of 256. */
function base62(bytes: Buffer, characters: number): string {
  let rest = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  while (text.length < characters) {
    text = `${alphabet[Number(rest % 62n)]}${text}`;
    rest /= 62n;
  }
  return text;
}
