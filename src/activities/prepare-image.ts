import sharp from 'sharp';
import { limits } from '../domain/limits/limits.ts';
import { pictureTypeOf } from '../domain/picture.ts';

/** Bytes that no picture can be made of, however often they are tried. */
export class UndecodableError extends Error {
  override name = 'UndecodableError';
}

/** One thread a picture: how many there are at once is for the caller to say. Each is new, so nothing is worth keeping. */
export function limitSharp(): void {
  sharp.concurrency(1);
  sharp.cache(false);
}

/**
 * A picture as vendors get it: decoded, upright, no larger than any of them uses, on white where it was transparent, the
 * first frame where it moved, in sRGB, and written anew as a JPEG. Nothing else of the file survives: no place or
 * device in its metadata, nothing that was hidden behind its end. It runs on a thread of libuv's.
 */
export async function prepareImage(bytes: Uint8Array): Promise<Buffer> {
  // An upload may be sent again between its check and its copy, and the library would draw even an SVG.
  if (pictureTypeOf(bytes) === undefined) throw new UndecodableError('the picture is none that is taken');
  const side = limits.preparedSidePixelsMax;
  try {
    // Cameras write what warrants a warning every day; what is cut off or can't be read is an error.
    return await sharp(bytes, { limitInputPixels: limits.imagePixelsMax, failOn: 'error' })
      .timeout({ seconds: limits.prepareSecondsMax })
      .autoOrient()
      .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: 'white' })
      .jpeg({ quality: 90 })
      .toBuffer();
  } catch (cause) {
    throw new UndecodableError('the picture can not be decoded', { cause });
  }
}
