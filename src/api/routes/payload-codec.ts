import { createHash, timingSafeEqual } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import express, { type Request, type RequestHandler, Router } from 'express';
import { z } from 'zod';
import { limits } from '../../domain/limits/limits.ts';
import { PayloadKeyError } from '../../operations/payload-codec.ts';

export interface CodecDeps {
  readonly codec: PayloadCodec;
  /** Whoever has it reads and writes what is encrypted. */
  readonly key: string;
  /** Of Temporal UI. Absent: no page may ask. */
  readonly origin?: string;
}

type CodecParams = { key?: string };

/**
 * Temporal's codec protocol, for its UI and its command line: `POST /codec/decode` and `/codec/encode` with the key as
 * `Authorization: Bearer`, or `/codec/{key}/decode` for a UI that has nobody log in and so has no header to send.
 */
export function payloadCodec(deps: CodecDeps): Router {
  const router = Router();
  router.use(allowOrigin(deps.origin));
  for (const verb of ['decode', 'encode'] as const) {
    const translate = express.json({ limit: limits.codecBodyBytesMax });
    const paths = [`/codec/${verb}`, `/codec/:key/${verb}`];
    router.post(
      paths,
      refuseStrangers(deps.key),
      translate,
      answer((payloads) => deps.codec[verb]([...payloads])),
    );
  }
  return router;
}

/** The page's own origin and no other: what it reads is what was worth encrypting. */
function allowOrigin(origin: string | undefined): RequestHandler {
  return (request, response, next) => {
    response.set({ vary: 'origin', 'cache-control': 'no-store' });
    if (origin !== undefined && request.headers.origin === origin && request.path.startsWith('/codec/')) {
      response.set({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': 'authorization,content-type,x-namespace',
      });
      if (request.method === 'OPTIONS') return void response.status(204).end();
    }
    next();
  };
}

function refuseStrangers(key: string): RequestHandler<CodecParams> {
  return (request, response, next) => {
    if (isSame(givenBy(request), key)) return next();
    response.status(401).json({ message: 'Send PAYLOAD_CODEC_KEY as Authorization: Bearer, or in the path.' });
  };
}

function givenBy({ params, headers }: Request<CodecParams>): string {
  return params.key ?? /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
}

/** In a time that tells nothing of where they differ. */
function isSame(given: string, key: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(key));
}

function answer(translate: (payloads: readonly Payload[]) => Promise<Payload[]>): RequestHandler<CodecParams> {
  return async (request, response) => {
    const asked = payloadsSchema.safeParse(request.body);
    if (!asked.success) return void response.status(400).json({ message: 'The body has to be {"payloads": […]}.' });
    try {
      const payloads = await translate(asked.data.payloads.map(read));
      response.json({ payloads: payloads.map(write) });
    } catch (error) {
      if (!(error instanceof PayloadKeyError)) throw error;
      response.status(422).json({ message: error.message });
    }
  };
}

type WirePayload = z.infer<typeof payloadSchema>;

/** Protocol buffers write bytes as base64 in JSON. */
function read({ metadata, data }: WirePayload): Payload {
  const entries = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data, 'base64') };
}

function write({ metadata, data }: Payload): WirePayload {
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data ?? []).toString('base64') };
}

const payloadSchema = z.object({
  metadata: z.record(z.string(), z.string()).default({}),
  data: z.string().default(''),
});
const payloadsSchema = z.object({ payloads: z.array(payloadSchema).max(limits.codecPayloadsMax) });
