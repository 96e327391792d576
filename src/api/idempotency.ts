import { hash } from 'node:crypto';
import type { Request } from 'express';
import type { Idempotency } from '../db/accept.ts';
import { limits } from '../domain/limits.ts';
import type { ImageReference } from './image-reference.ts';
import { fieldProblem } from './problem.ts';
import { isObject } from './read-json.ts';
import type { VideoWish } from './schemas.ts';

/** The caller's key, bare or as the quoted string of the draft standard. Undefined: none was sent. */
export function idempotencyKeyOf(request: Request): string | undefined {
  const header = request.get('idempotency-key');
  if (header === undefined) return undefined;
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header;
  if (/^[\x21-\x7e]+$/.test(key) && key.length <= limits.idempotencyKeyCharsMax) return key;
  const message = `The header has to be 1 to ${limits.idempotencyKeyCharsMax} visible ASCII characters.`;
  throw fieldProblem('invalid_idempotency_key', '/Idempotency-Key', message);
}

/** What a repeated key is compared by: everything that was asked for, whatever its order and encoding were. */
export function idempotencyOf(
  key: string | undefined,
  wish: VideoWish,
  reference: ImageReference | undefined,
): Idempotency | null {
  if (key === undefined) return null;
  const asked = canonicalJson({
    path: '/v1/videos',
    wish,
    image: reference === undefined ? null : digestOf(reference),
  });
  return { key, fingerprint: hash('sha256', asked) };
}

/** The form counts: what lies behind a URL may have changed since. */
function digestOf(reference: ImageReference): unknown {
  switch (reference.kind) {
    case 'bytes':
      return hash('sha256', reference.bytes);
    case 'url':
      return { url: reference.url };
    case 'upload':
      return { upload: reference.uploadId };
  }
}

/** JSON with sorted keys, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => (isObject(member) ? sorted(member) : member));
}

export function sorted<Value>(object: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(object).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
