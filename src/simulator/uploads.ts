import busboy from 'busboy';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { failure, type Answer } from './answer.ts';
import type { Medium } from './media-store.ts';
import type { Exchange, RootExchange, Route } from './route.ts';

const fileBytesMax = 20 * 1024 * 1024;

/** Where an upload can be fetched again, without a key, whichever vendor took it. */
export const media: Route<RootExchange> = { method: 'GET', path: /^\/media\/(?<id>[^/]+)\/[^/]+$/, handle: download };

function download({ world, parameters }: RootExchange): Answer {
  const medium = world.media.find(parameters['id'] ?? '');
  if (!medium) return failure(404, 'no such medium');
  return { kind: 'bytes', status: 200, headers: { 'content-type': medium.type }, body: medium.bytes };
}

export interface KeptMedium {
  readonly id: string;
  readonly url: string;
}

export function keepMedium({ media, origin }: Pick<Exchange, 'media' | 'origin'>, medium: Medium): KeptMedium {
  const id = randomUUID();
  media.save(id, medium);
  return { id, url: `${origin}/media/${id}/${encodeURIComponent(medium.filename)}` };
}

/** The first part of a form by the field's name; undefined when there is none, or it is over the limit. */
export async function readFormFile(request: IncomingMessage, field: string): Promise<Medium | undefined> {
  return await readPart(request, field).catch(() => undefined);
}

function readPart(request: IncomingMessage, field: string): Promise<Medium | undefined> {
  return new Promise((resolve, reject) => {
    const parser = busboy({ headers: request.headers, limits: { files: 1, fileSize: fileBytesMax } });
    let file: Promise<Medium | undefined> | undefined;
    parser.on('file', (name, stream, { filename, mimeType }) => {
      const bytes = buffer(stream);
      if (name === field)
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
