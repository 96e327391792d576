import { createPublicKey, verify, type KeyObject } from 'node:crypto';

import { z } from 'zod';

import { limits } from '../../domain/limits/limits.ts';
import { HttpError, type Http } from '../http.ts';
import { parseJson } from '../wire-values.ts';

/** The keys that fal publishes to prove its callbacks by (reference on providers, section 3.5). */
export interface PublishedKeys {
  /**
   * Whether one of the keys made the signature. `undefined`: nobody can tell, for the keys that it would take are not
   * to be had.
   */
  verify(signed: Signed): Promise<boolean | undefined>;
}

export interface Signed {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

interface Source {
  /** Must not carry our key, for the set is public. */
  readonly http: Http;
  readonly now: () => number;
}

const path = '/.well-known/jwks.json';

interface KeySet {
  readonly keys: readonly KeyObject[];
  readonly fetchedAt: number;
}

/** Keeps the keys for a day, and asks for them once more when none fits; those who ask at the same time share it. */
export function createPublishedKeys({ http, now }: Source): PublishedKeys {
  let known: KeySet | undefined;
  let askedAt = -Infinity;
  let asking: Promise<void> | undefined;
  let answered = true;

  async function askOnce(): Promise<void> {
    try {
      const keys = await fetchKeys(http);
      answered = keys !== undefined;
      if (keys) known = { keys, fetchedAt: now() };
    } finally {
      asking = undefined;
    }
  }

  // A signature that fits no key may mean a new key, or a forger: who must not make us ask all day long.
  async function refresh(): Promise<void> {
    if (!asking && now() - askedAt >= limits.publishedKeysAskedEveryMs) {
      askedAt = now();
      asking = askOnce();
    }
    await asking;
  }

  function current(): KeySet | undefined {
    return known && now() - known.fetchedAt < limits.publishedKeysMsKept ? known : undefined;
  }

  return {
    async verify(signed) {
      if (!current()) await refresh();
      const before = current();
      if (!before) return undefined;
      if (fits(before, signed)) return true;
      await refresh();
      const after = current();
      if (after && after !== before && fits(after, signed)) return true;
      // Without an answer the key may be one that we could not get.
      return answered ? false : undefined;
    },
  };
}

function fits({ keys }: KeySet, { message, signature }: Signed): boolean {
  return keys.some((key) => verify(null, message, key, signature));
}

/** `undefined` for any answer that gives no usable key. */
async function fetchKeys(http: Http): Promise<readonly KeyObject[] | undefined> {
  try {
    const response = await http.request({ method: 'GET', path });
    const set = response.status === 200 ? keySetSchema.safeParse(parseJson(response.text)).data : undefined;
    const keys = set?.keys.flatMap((value) => keyOf(value) ?? []) ?? [];
    return keys.length > 0 ? keys : undefined;
  } catch (error) {
    if (error instanceof HttpError) return undefined;
    throw error;
  }
}

/** Keys of another kind are none of ours, now or after the vendor has moved on. */
function keyOf(value: unknown): KeyObject | undefined {
  const key = keySchema.safeParse(value).data;
  if (!key) return undefined;
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    return undefined;
  }
}

const keySetSchema = z.object({ keys: z.array(z.unknown()).max(limits.publishedKeysMax) });

const keySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});
