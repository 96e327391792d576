import { randomUUID } from 'node:crypto';

import type { HttpBody } from './http.ts';
import type { InputImage } from './provider.ts';

/** What a vendor is told that the picture is called. */
export function fileNameOf({ contentType }: Pick<InputImage, 'contentType'>): string {
  return `input.${contentType.replace('image/', '')}`;
}

/** One picture as `multipart/form-data` (RFC 7578). The names are ours, so nothing needs escaping. */
export function multipartImage(field: string, image: InputImage): HttpBody {
  const boundary = `spillway-${randomUUID()}`;
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="${fileNameOf(image)}"\r\n` +
    `Content-Type: ${image.contentType}\r\n\r\n`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat([Buffer.from(head), image.bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}
