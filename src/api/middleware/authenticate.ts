import { hash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { Problem } from '../problem.ts';
import { loopbackOnly } from './loopback-only.ts';

/** One static key, or none. The comparison takes the same time for every wrong one, whatever its length. */
export function authenticate(apiKey: string | undefined): RequestHandler {
  if (apiKey === undefined) return loopbackOnly();
  const expected = digestOf(apiKey);
  return (request, _response, next) => {
    if (!isBearer(request.get('authorization'), expected)) throw unauthorized();
    next();
  };
}

function isBearer(header: string | undefined, expected: Buffer): boolean {
  const key = /^bearer +(\S+)$/i.exec(header ?? '')?.[1];
  return key !== undefined && timingSafeEqual(digestOf(key), expected);
}

function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

function unauthorized(): Problem {
  return new Problem('unauthorized', {
    detail: 'Send the API key as `Authorization: Bearer <key>`.',
    headers: { 'www-authenticate': 'Bearer' },
  });
}
