import { randomUUID } from 'node:crypto';

import type { HttpBody } from './http.ts';

/** One file as `multipart/form-data` (RFC 7578). The names are ours, so nothing needs escaping. */
export function multipartFile(field: string, file: { name: string; contentType: string; bytes: Uint8Array }): HttpBody {
  const boundary = `spillway-${randomUUID()}`;
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="${file.name}"\r\n` +
    `Content-Type: ${file.contentType}\r\n\r\n`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat([Buffer.from(head), file.bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}
