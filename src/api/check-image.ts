import sharp, { type Metadata } from 'sharp';
import { limits } from '../domain/limits.ts';
import type { ImageContentType, StoredImage } from '../storage/image-store.ts';
import { fieldProblem, type Problem } from './problem.ts';
import { imageTooLarge } from './read-multipart.ts';

const pointer = '/input_reference';

/** A picture is what both its first bytes and its header say it is. Decoding it is left to an activity: it costs 600 times as much. */
export async function checkImage(bytes: Buffer): Promise<StoredImage> {
  if (bytes.length > limits.imageBytesMax) throw imageTooLarge();
  const contentType = contentTypeOf(bytes);
  if (contentType === undefined) throw invalid('The picture has to be a JPEG, PNG or WebP file.');
  const metadata = await readMetadata(bytes);
  if (`image/${metadata.format}` !== contentType) throw invalid('The picture is not what its first bytes say.');
  if (metadata.width * metadata.height > limits.imagePixelsMax) throw tooManyPixels();
  return { bytes, contentType };
}

function contentTypeOf(bytes: Buffer): ImageContentType | undefined {
  const head = bytes.subarray(0, 12).toString('latin1');
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'image/webp';
  return undefined;
}

async function readMetadata(bytes: Buffer): Promise<Metadata> {
  try {
    return await sharp(bytes, { limitInputPixels: limits.imagePixelsMax, failOn: 'warning' }).metadata();
  } catch (error) {
    // The library's message is about our bytes, not for our caller; only this one is worth telling apart.
    if (error instanceof Error && error.message.includes('pixel limit')) throw tooManyPixels();
    throw invalid('The picture is damaged, or is none.');
  }
}

function invalid(message: string): Problem {
  return fieldProblem('invalid_image', pointer, message);
}

function tooManyPixels(): Problem {
  return invalid(`The picture may have ${limits.imagePixelsMax / 1e6} million pixels.`);
}
