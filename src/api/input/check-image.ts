import sharp, { type Metadata } from 'sharp';
import { limits } from '../../domain/limits/limits.ts';
import { type PictureType, pictureTypeOf } from '../../domain/picture.ts';
import { fieldProblem, type Problem } from '../problems/problem.ts';
import { imageTooLarge } from './read-multipart.ts';

/** A picture that its caller may send. */
export interface CheckedImage {
  readonly bytes: Buffer;
  readonly contentType: PictureType;
}

export type ImageFault = 'too_large' | 'not_a_picture' | 'damaged' | 'too_many_pixels';

/** A picture is what both its first bytes and its header say it is. Decoding it is left to an activity: it costs 600 times as much. */
export async function checkImage(bytes: Buffer): Promise<CheckedImage> {
  const found = await inspectImage(bytes);
  if (typeof found !== 'string') return { bytes, contentType: found.contentType };
  throw imageProblem(found);
}

/** What a picture is, or what is wrong with it. Its beginning will do where its header is within it. */
export async function inspectImage(bytes: Buffer): Promise<{ readonly contentType: PictureType } | ImageFault> {
  if (bytes.length > limits.imageBytesMax) return 'too_large';
  const contentType = pictureTypeOf(bytes);
  if (contentType === undefined) return 'not_a_picture';
  const metadata = await readMetadata(bytes);
  if (typeof metadata === 'string') return metadata;
  if (`image/${metadata.format}` !== contentType) return 'damaged';
  return metadata.width * metadata.height > limits.imagePixelsMax ? 'too_many_pixels' : { contentType };
}

async function readMetadata(bytes: Buffer): Promise<Metadata | ImageFault> {
  try {
    return await sharp(bytes, { limitInputPixels: limits.imagePixelsMax, failOn: 'error' }).metadata();
  } catch (error) {
    // The library's message is about our bytes, not for our caller; only this one is worth telling apart.
    return error instanceof Error && error.message.includes('pixel limit') ? 'too_many_pixels' : 'damaged';
  }
}

export function imageProblem(fault: ImageFault): Problem {
  if (fault === 'too_large') return imageTooLarge();
  return fieldProblem('invalid_image', '/input_reference', sentences[fault]);
}

const sentences = {
  not_a_picture: 'The picture has to be a JPEG, PNG or WebP file.',
  damaged: 'The picture is damaged, or is none. Export it again as a JPEG, PNG or WebP file.',
  too_many_pixels: `The picture may have ${limits.imagePixelsMax / 1e6} million pixels. Scale it down.`,
} as const;
