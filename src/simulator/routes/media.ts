import busboy from 'busboy';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { failure, notFound, success, type Answer } from '../answer.ts';
import type { Medium } from '../media-store.ts';
import type { Exchange, Route } from '../route.ts';
import { withKey } from './authorize.ts';

const fileBytesMax = 20 * 1024 * 1024;

export const mediaRoutes: readonly Route[] = [
  withKey({ method: 'POST', path: /^\/api\/v3\/media\/upload\/binary$/, handle: upload }),
  { method: 'GET', path: /^\/media\/(?<id>[^/]+)\/[^/]+$/, handle: download },
];

async function upload({ request, media, origin }: Exchange): Promise<Answer> {
  const medium = await readFile(request).catch(() => undefined);
  if (!medium) return failure(400, 'expected a multipart field named file', 1401);
  const { type, filename, bytes } = medium;
  const id = randomUUID();
  media.save(id, medium);
  const downloadUrl = `${origin}/media/${id}/${encodeURIComponent(filename)}`;
  return success({ type: type.split('/')[0], download_url: downloadUrl, filename, size: bytes.length });
}

function download({ media, parameters }: Exchange): Answer {
  const medium = media.find(parameters['id'] ?? '');
  if (!medium) return notFound('medium');
  return { kind: 'bytes', status: 200, headers: { 'content-type': medium.type }, body: medium.bytes };
}

/** The first part named `file`; a file over the limit reads as none. */
function readFile(request: IncomingMessage): Promise<Medium | undefined> {
  return new Promise((resolve, reject) => {
    const parser = busboy({ headers: request.headers, limits: { files: 1, fileSize: fileBytesMax } });
    let file: Promise<Medium | undefined> | undefined;
    parser.on('file', (name, stream, { filename, mimeType }) => {
      const bytes = buffer(stream);
      if (name === 'file')
        file = bytes.then((whole) =>
          stream.truncated ? undefined : { type: mimeType, filename: filename || 'upload', bytes: whole },
        );
      bytes.catch(reject);
    });
    parser.on('close', () => resolve(file));
    parser.on('error', reject);
    request.on('error', reject).pipe(parser);
  });
}
