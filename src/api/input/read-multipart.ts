import busboy from 'busboy';
import type { Request } from 'express';
import type { Readable } from 'node:stream';
import { limits } from '../../domain/limits/limits.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';

export interface MultipartBody {
  /** In the order of arrival; a name may come more than once. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly image: Buffer | undefined;
}

const fileField = 'input_reference';

/** Reads `multipart/form-data` with at most one file, which is the picture, into memory. */
export async function readMultipart(request: Request): Promise<MultipartBody> {
  const parser = createParser(request);
  try {
    return await collect(request, parser);
  } catch (error) {
    request.unpipe(parser);
    throw error instanceof Problem ? error : new Problem('invalid_multipart', { cause: error });
  }
}

function createParser(request: Request): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      limits: {
        fieldNameSize: 256,
        fieldSize: limits.jsonBodyBytesMax,
        fields: limits.formFieldsMax,
        files: 1,
        fileSize: limits.imageBytesMax,
        headerPairs: 20,
      },
    });
  } catch (cause) {
    throw new Problem('invalid_multipart', { detail: 'The content type lacks a usable boundary.', cause });
  }
}

function collect(request: Request, parser: busboy.Busboy): Promise<MultipartBody> {
  return new Promise((resolve, reject) => {
    const fields: [string, string][] = [];
    let image: Promise<Buffer> | undefined;
    let bytes = 0;
    parser.on('field', (name, value, info) => {
      bytes += name.length + value.length;
      if (info.nameTruncated || info.valueTruncated || bytes > limits.jsonBodyBytesMax) reject(fieldsTooLarge());
      fields.push([name, value]);
    });
    parser.on('file', (name, stream) => {
      image = readFile(name, stream);
      image.catch(reject);
    });
    for (const limit of ['fieldsLimit', 'filesLimit', 'partsLimit'] as const)
      parser.on(limit, () => reject(tooManyParts()));
    parser.on('error', reject);
    parser.on('close', () => void finish(fields, image).then(resolve, reject));
    request.on('aborted', () => reject(new Error('the client went away')));
    request.on('error', reject);
    request.pipe(parser);
  });
}

async function finish(fields: MultipartBody['fields'], image: Promise<Buffer> | undefined): Promise<MultipartBody> {
  return { fields, image: await image };
}

async function readFile(name: string, stream: Readable & { truncated?: boolean }): Promise<Buffer> {
  if (name !== fileField) {
    stream.on('error', () => undefined).resume();
    throw fieldProblem('invalid_request', `/${name.slice(0, 128)}`, 'The field is unknown, or takes no file.');
  }
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  if (stream.truncated) throw imageTooLarge();
  return Buffer.concat(chunks);
}

export function imageTooLarge(): Problem {
  return fieldProblem('body_too_large', `/${fileField}`, `The picture may have ${limits.imageBytesMax} bytes.`);
}

function fieldsTooLarge(): Problem {
  return new Problem('body_too_large', { detail: `The fields may have ${limits.jsonBodyBytesMax} bytes together.` });
}

function tooManyParts(): Problem {
  return new Problem('invalid_multipart', { detail: `The body may have ${limits.formFieldsMax} fields and one file.` });
}
