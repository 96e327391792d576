import { json, type Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import type { Exchange, Route } from '../route.ts';
import { keepMedium, readFormFile } from '../uploads.ts';
import { invalid } from './answers.ts';

export const upload: Route = withKey({ method: 'POST', path: /^\/v1\/files$/, handle: handleUpload });

const dayMs = 86_400_000;

async function handleUpload(exchange: Exchange): Promise<Answer> {
  const medium = await readFormFile(exchange.request, 'content');
  if (!medium) return invalid('expected a multipart field named content');
  const { type, filename, bytes } = medium;
  const { id, url } = keepMedium(exchange, medium);
  const expires_at = new Date(Date.now() + dayMs).toISOString();
  return json(201, { id, name: filename, content_type: type, size: bytes.length, expires_at, urls: { get: url } });
}
