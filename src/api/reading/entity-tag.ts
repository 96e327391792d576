import { hash } from 'node:crypto';
import type { Request } from 'express';

/** Short, and for telling one text from another: nobody has to be kept from forging it. */
export function digestOf(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 27);
}

/**
 * The tag of an answer that is JSON. Weak, since on its way it may be packed in one manner or another.
 */
export function entityTagOf(body: string): string {
  return `W/"${digestOf(body)}"`;
}

/**
 * Whether the caller has this answer already. By `If-None-Match` alone (RFC 9110, 13.1.2): Express would not compare
 * where a request says `cache-control: no-cache` as well, which `fetch` adds by itself to every request with conditions.
 */
export function isKnown(request: Request, entityTag: string): boolean {
  const header = request.get('if-none-match') ?? '';
  if (header.trim() === '*') return true;
  return header.split(',').some((known) => opaqueOf(known) === opaqueOf(entityTag));
}

function opaqueOf(entityTag: string): string {
  return entityTag.trim().replace(/^W\//, '');
}
