import { createHmac, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { json, text, type Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import type { Exchange, Route } from '../route.ts';
import { readBytes, readJson } from '../read-body.ts';
import { invalidInput, refusal } from './answers.ts';

/** Below `/rest`, which is another host at fal. */
export const uploadRoutes: readonly Route[] = [
  withKey({ method: 'POST', path: /^\/rest\/storage\/upload\/initiate$/, handle: initiate }),
  { method: 'PUT', path: /^\/rest\/storage\/upload\/(?<id>[^/]+)\/(?<filename>[^/]+)$/, handle: put },
];

const initiateSchema = z.object({ content_type: z.string().min(1), file_name: z.string().regex(/^[\w.-]{1,128}$/) });

/** Hands out a place for one file, by a URL that is its own permission. */
async function initiate(exchange: Exchange): Promise<Answer> {
  const wish = initiateSchema.safeParse(await readJson(exchange.request));
  if (!wish.success) return invalidInput({ kind: 'invalid', message: z.prettifyError(wish.error) });
  const place = `${randomUUID()}/${wish.data.file_name}`;
  const signature = signatureOf(exchange, { place, type: wish.data.content_type });
  return json(200, {
    upload_url: `${exchange.baseUrl}/rest/storage/upload/${place}?signature=${signature}`,
    file_url: `${exchange.origin}/media/${place}`,
  });
}

async function put(exchange: Exchange): Promise<Answer> {
  const { request, url, media, parameters } = exchange;
  const { id = '', filename = '' } = parameters;
  const type = request.headers['content-type'] ?? '';
  const signature = signatureOf(exchange, { place: `${id}/${filename}`, type });
  if (url.searchParams.get('signature') !== signature) return refusal(403, 'SignatureDoesNotMatch');
  const bytes = await readBytes(request);
  if (!bytes) return refusal(413, 'EntityTooLarge');
  media.save(id, { type, filename, bytes });
  return text(200, '');
}

function signatureOf({ account }: Exchange, { place, type }: { place: string; type: string }): string {
  return createHmac('sha256', account.options.webhookSecret).update(`${place}\n${type}`).digest('hex');
}
