import { hash } from 'node:crypto';
import type { Request } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import type { ImageReference } from '../input/image-reference.ts';
import { fieldProblem, type Problem } from '../problems/problem.ts';
import { isObject } from '../input/read-json.ts';
import type { VideoWish } from '../schemas.ts';

/**
 * The caller's key (draft-ietf-httpapi-idempotency-key-header-07): a quoted string as structured fields have it, or bare,
 * as most send it. Both name the same key. Undefined: none was sent.
 */
export function idempotencyKeyOf(request: Request): string | undefined {
  // Node joins two of them by a comma and a space, which no key has.
  const header = request.get('idempotency-key');
  if (header === undefined) return undefined;
  const key = header.startsWith('"') ? unquoted(header) : header;
  if (key !== undefined && /^[\x21-\x7e]+$/.test(key) && key.length <= limits.idempotencyKeyCharsMax) return key;
  throw invalidKey(
    `The header has to be 1 to ${limits.idempotencyKeyCharsMax} visible ASCII characters, bare or as a quoted string.`,
  );
}

/** A string of structured fields (RFC 8941, section 3.3.3): backslashes stand before quotes and backslashes only. */
function unquoted(header: string): string | undefined {
  const content = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1];
  return content?.replaceAll(/\\(["\\])/g, '$1');
}

function invalidKey(message: string): Problem {
  return fieldProblem('invalid_idempotency_key', '/Idempotency-Key', message);
}

/** What repeated requests are compared by: everything that was asked for, whatever its order and encoding were. */
export function fingerprintOf(wish: VideoWish, reference: ImageReference | undefined): string {
  const image = reference === undefined ? null : digestOf(reference);
  return hash('sha256', canonicalJson({ path: '/v1/videos', wish, image }));
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
