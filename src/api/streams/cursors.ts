import { createHmac, timingSafeEqual } from 'node:crypto';

/** Signs the places that clients may come back to, and knows them again in any process. */
export interface Cursors {
  /** Loads the secret. Rejects while the database is away. */
  load(): Promise<CursorSeal>;
}

export interface CursorSeal {
  /** Text that is safe in a URL and in a header. */
  seal(scope: CursorScope, place: readonly string[]): string;
  /** Undefined: it is none of ours, or was given for another scope. */
  open(scope: CursorScope, cursor: string): readonly string[] | undefined;
}

/** What a cursor is good for, and nothing else: a list or a stream, of one tenant, with the same filters. */
export type CursorScope = readonly [kind: 'videos' | 'events', tenant: string, ...filters: string[]];

const signatureBytes = 16;

/** `readSecret` is called until it succeeds once. */
export function createCursors(readSecret: () => Promise<Uint8Array>): Cursors {
  let seal: Promise<CursorSeal> | undefined;
  return {
    async load() {
      seal ??= readSecret()
        .then(sealOf)
        .catch((error: unknown) => {
          seal = undefined;
          throw error;
        });
      return await seal;
    },
  };
}

function sealOf(secret: Uint8Array): CursorSeal {
  const sign = (scope: CursorScope, place: Uint8Array): Buffer =>
    createHmac('sha256', secret)
      .update(JSON.stringify(['cursor', ...scope]))
      .update('\n')
      .update(place)
      .digest()
      .subarray(0, signatureBytes);
  return {
    seal(scope, place) {
      const bytes = Buffer.from(JSON.stringify(place));
      return Buffer.concat([sign(scope, bytes), bytes]).toString('base64url');
    },
    open(scope, cursor) {
      const bytes = Buffer.from(cursor, 'base64url');
      const place = bytes.subarray(signatureBytes);
      // Every text of base64 stands for one only: what is written otherwise is none of ours.
      if (place.length === 0 || bytes.toString('base64url') !== cursor) return undefined;
      return timingSafeEqual(bytes.subarray(0, signatureBytes), sign(scope, place)) ? read(place) : undefined;
    },
  };
}

/** Signed by us, so it is what we wrote. */
function read(place: Buffer): readonly string[] | undefined {
  const value: unknown = JSON.parse(place.toString());
  return Array.isArray(value) && value.every((part) => typeof part === 'string') ? value : undefined;
}
