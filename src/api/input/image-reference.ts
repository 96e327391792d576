import { limits } from '../../domain/limits/limits.ts';
import { callerUrlPolicy, checkUrl, HostileUrlError } from '../../providers/hostile-url.ts';
import { fieldProblem } from '../problems/problem.ts';
import { isObject } from './read-json.ts';
import { imageTooLarge } from './read-multipart.ts';
import { findTextFault } from './text-check.ts';

/** How a request names its picture: with its bytes, still unchecked; by a URL; or by the id of an upload. */
export type ImageReference =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'upload'; readonly uploadId: string; readonly pointer: string };

const field = 'input_reference';
const bracketField = 'input_reference[image_url]';

export interface SplitBody {
  /** Everything but the reference. */
  readonly fields: Record<string, unknown>;
  readonly reference: ImageReference | undefined;
}

/** Takes the reference out of a body, from one of the places where clients put it. */
export function splitImage(body: Readonly<Record<string, unknown>>): SplitBody {
  const { [field]: plain, [bracketField]: bracket, ...fields } = body;
  if (plain !== undefined && bracket !== undefined)
    throw fieldProblem('invalid_request', `/${field}`, 'The field comes more than once.');
  if (bracket !== undefined) return { fields, reference: referenceOfUrl(bracket, `/${bracketField}`) };
  if (isObject(plain)) return { fields, reference: referenceOfObject(plain) };
  return { fields, reference: plain === undefined ? undefined : referenceOfText(plain, `/${field}`) };
}

function referenceOfObject(reference: Readonly<Record<string, unknown>>): ImageReference {
  const { image_url: url, file_id: file, ...unknown } = reference;
  const [stranger] = Object.keys(unknown);
  // Nobody has looked at the texts of the reference yet, and what can't be stored can't be repeated either.
  const fault = stranger === undefined ? undefined : findTextFault({ [stranger]: null }, `/${field}`);
  if (fault !== undefined) throw fieldProblem('invalid_request', fault.pointer, fault.message);
  if (stranger !== undefined)
    throw fieldProblem('invalid_request', `/${field}/${stranger.slice(0, 128)}`, 'The field is unknown.');
  if (file === undefined) return referenceOfUrl(url, `/${field}/image_url`);
  if (url === undefined) return referenceOfUpload(file, `/${field}/file_id`);
  throw fieldProblem('invalid_request', `/${field}`, 'Send either image_url or file_id.');
}

function referenceOfText(text: unknown, pointer: string): ImageReference {
  const isUpload = typeof text === 'string' && text.startsWith('upload_');
  return isUpload ? referenceOfUpload(text, pointer) : referenceOfUrl(text, pointer);
}

function referenceOfUpload(id: unknown, pointer: string): ImageReference {
  if (typeof id !== 'string')
    throw fieldProblem('invalid_request', pointer, 'This has to be the id of an upload, as text.');
  return { kind: 'upload', uploadId: id, pointer };
}

function referenceOfUrl(text: unknown, pointer: string): ImageReference {
  if (typeof text !== 'string')
    throw fieldProblem('invalid_request', pointer, 'This has to be a file, a data URL, an https URL or an upload id.');
  if (/^data:/i.test(text)) return { kind: 'bytes', bytes: bytesOfDataUrl(text, pointer) };
  return { kind: 'url', url: publicUrlOf(text, pointer) };
}

/** As its text shows it. Where its name leads is for the one to find out who connects. */
function publicUrlOf(text: string, pointer: string): string {
  try {
    return checkUrl(text, callerUrlPolicy).href;
  } catch (error) {
    if (!(error instanceof HostileUrlError)) throw error;
    throw fieldProblem('invalid_image', pointer, `The picture can't be read from there. ${error.message}.`);
  }
}

function bytesOfDataUrl(text: string, pointer: string): Buffer {
  const comma = text.indexOf(',');
  if (!/^data:image\/(jpeg|png|webp);base64,$/i.test(text.slice(0, comma + 1))) {
    throw fieldProblem('invalid_image', pointer, 'The data URL has to be a JPEG, PNG or WebP picture in base64.');
  }
  if (text.length - comma > Math.ceil((limits.imageBytesMax * 4) / 3) + 4) throw imageTooLarge();
  const base64 = text.slice(comma + 1);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw fieldProblem('invalid_image', pointer, 'The data URL is not valid base64. Leave out spaces and line breaks.');
  return Buffer.from(base64, 'base64');
}
