import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Keeps secrets that we must be able to read again: a webhook is signed with its very secret. */
export interface SecretBox {
  /** @param owner goes into the seal: what was sealed for one row opens for no other */
  seal(secret: string, owner: string): string;
  open(sealed: string, owner: string): string;
}

export interface EncryptionKey {
  readonly id: string;
  readonly key: Buffer;
}

/** A sealed secret can't be opened with the keys that there are. */
export class SealError extends Error {
  override name = 'SealError';
}

/**
 * AES-256-GCM with the first key; every key opens, so that a new one can be put before the old ones. Without keys secrets
 * are kept as they are, and what is kept so opens always.
 */
export function createSecretBox(keys: readonly EncryptionKey[]): SecretBox {
  const [current] = keys;
  return {
    seal(secret, owner) {
      if (current === undefined) return `plain:${secret}`;
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(Buffer.from(owner));
      const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return `gcm:${current.id}:${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')}`;
    },

    open(sealed, owner) {
      const [form, ...rest] = sealed.split(':');
      if (form === 'plain') return rest.join(':');
      const [id, text = ''] = rest;
      const key = keys.find((one) => one.id === id)?.key;
      if (form !== 'gcm' || key === undefined)
        throw new SealError(`a secret was sealed with the key '${id}': put it into ENCRYPTION_KEYS again`);
      return opened(Buffer.from(text, 'base64'), { key, owner });
    },
  };
}

const nonceBytes = 12;
const tagBytes = 16;

function opened(bytes: Buffer, { key, owner }: { readonly key: Buffer; readonly owner: string }): string {
  const nonce = bytes.subarray(0, nonceBytes);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
      .setAAD(Buffer.from(owner))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new SealError('a secret does not open: ENCRYPTION_KEYS has another key under its id', { cause });
  }
}
