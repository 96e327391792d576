import { type Failure, failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';
import { pictureTypeOf } from '../domain/picture.ts';
import { HostileUrlError } from '../providers/hostile-url.ts';
import type { RemoteFile, RemoteFiles } from './deps.ts';

export type FetchedPicture = { readonly bytes: Buffer } | { readonly failure: Failure };

/**
 * Reads a picture from a caller's URL: once, whole or not at all, in a time that the whole of it has. It is the caller's
 * own server, so whatever goes wrong is theirs to mend.
 */
export async function fetchPicture(open: RemoteFiles['open'], url: string): Promise<FetchedPicture> {
  const signal = AbortSignal.timeout(limits.inputFetchMsMax);
  try {
    return await read(await open({ url, signal }), signal);
  } catch (error) {
    if (error instanceof HostileUrlError) return failed('hostile_url');
    return failed(signal.aborted ? 'timeout' : 'unreachable');
  }
}

async function read(file: RemoteFile, signal: AbortSignal): Promise<FetchedPicture> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    // A redirect, too: nobody has checked where it leads.
    if (file.status !== 200) return failed(`http_${file.status}`);
    for await (const chunk of file.body) {
      signal.throwIfAborted();
      bytes += chunk.byteLength;
      if (bytes > limits.imageBytesMax) return failed('too_large');
      chunks.push(chunk);
    }
  } finally {
    file.body.destroy();
  }
  const picture = Buffer.concat(chunks);
  return pictureTypeOf(picture) === undefined ? failed('not_a_picture') : { bytes: picture };
}

/** The code is ours, and says what the sentence for the caller does not. */
function failed(vendorCode: string): FetchedPicture {
  return { failure: failureOf('media_fetch', { vendorCode }) };
}
