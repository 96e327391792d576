import { fieldProblem, type Problem } from './problem.ts';
import { isObject } from './read-json.ts';
import { imageTooLarge } from './read-multipart.ts';
import { limits } from '../domain/limits.ts';

const field = 'input_reference';
const bracketField = 'input_reference[image_url]';

export interface SplitBody {
  /** Everything but the reference. */
  readonly fields: Record<string, unknown>;
  /** The picture that the reference holds, still unchecked. */
  readonly image: Buffer | undefined;
}

/** Takes the picture out of a body: a data URL, in one of the places where clients put it. */
export function splitImage(body: Readonly<Record<string, unknown>>): SplitBody {
  const { [field]: plain, [bracketField]: bracket, ...fields } = body;
  if (plain !== undefined && bracket !== undefined)
    throw fieldProblem('invalid_request', `/${field}`, 'The field comes more than once.');
  if (bracket !== undefined) return { fields, image: imageOf(bracket, `/${bracketField}`) };
  if (!isObject(plain)) return { fields, image: plain === undefined ? undefined : imageOf(plain, `/${field}`) };
  return { fields, image: imageOfObject(plain) };
}

function imageOfObject(reference: Readonly<Record<string, unknown>>): Buffer {
  const { image_url: url, file_id: file, ...unknown } = reference;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined)
    throw fieldProblem('invalid_request', `/${field}/${stranger.slice(0, 128)}`, 'The field is unknown.');
  if (file !== undefined) throw notSupported(`/${field}/file_id`);
  return imageOf(url, `/${field}/image_url`);
}

function imageOf(reference: unknown, pointer: string): Buffer {
  if (typeof reference !== 'string')
    throw fieldProblem('invalid_request', pointer, 'This has to be a file or a data URL.');
  if (!/^data:/i.test(reference)) throw notSupported(pointer);
  const comma = reference.indexOf(',');
  if (!/^data:image\/(jpeg|png|webp);base64,$/i.test(reference.slice(0, comma + 1))) {
    throw fieldProblem('invalid_image', pointer, 'The data URL has to be a JPEG, PNG or WebP picture in base64.');
  }
  if (reference.length - comma > Math.ceil((limits.imageBytesMax * 4) / 3) + 4) throw imageTooLarge();
  return decode(reference.slice(comma + 1), pointer);
}

function decode(base64: string, pointer: string): Buffer {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw fieldProblem('invalid_image', pointer, 'The data URL is not valid base64.');
  return Buffer.from(base64, 'base64');
}

function notSupported(pointer: string): Problem {
  return fieldProblem(
    'value_not_supported',
    pointer,
    'Upload ids and URLs are not supported yet. Send a file or a data URL.',
  );
}
