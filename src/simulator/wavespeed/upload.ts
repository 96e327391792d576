import type { Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import type { Exchange, Route } from '../route.ts';
import { keepMedium, readFormFile } from '../uploads.ts';
import { failure, success } from './answers.ts';

export const upload: Route = withKey({
  method: 'POST',
  path: /^\/api\/v3\/media\/upload\/binary$/,
  handle: handleUpload,
});

async function handleUpload(exchange: Exchange): Promise<Answer> {
  const medium = await readFormFile(exchange.request, 'file');
  if (!medium) return failure(400, 'expected a multipart field named file', 1401);
  const { type, filename, bytes } = medium;
  const { url } = keepMedium(exchange, medium);
  return success({ type: type.split('/')[0], download_url: url, filename, size: bytes.length });
}
