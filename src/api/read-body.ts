import express, { type Request, type RequestHandler } from 'express';
import { objectOfForm } from './form-fields.ts';
import { fieldProblem, Problem } from './problem.ts';
import { jsonWithImageBytesMax, parseJsonObject, tooLarge } from './read-json.ts';
import { readMultipart } from './read-multipart.ts';
import { type SplitBody, splitImage } from './image-reference.ts';
import { limits } from '../domain/limits.ts';
import { findTextFault } from './text-check.ts';

/** Reads a body of JSON as bytes: it is measured before anybody parses it. */
export function readJsonBytes(): RequestHandler {
  return express.raw({ type: 'application/json', limit: jsonWithImageBytesMax, inflate: false });
}

/** The fields and the picture of a request, in either form. Every text in the fields can be stored. */
export async function readVideoBody(request: Request): Promise<SplitBody> {
  const body = await readEither(request);
  const fault = findTextFault(body.fields);
  if (fault)
    throw new Problem('invalid_request', {
      detail: `${fault.pointer || 'The body'}: ${fault.message}`,
      errors: [fault],
    });
  return body;
}

async function readEither(request: Request): Promise<SplitBody> {
  const body: unknown = request.body;
  if (Buffer.isBuffer(body)) return splitJson(body);
  if (request.is('multipart/form-data')) return await splitForm(request);
  // `null`: there is no body whose type could be wrong.
  if (request.is('*/*') === null || request.get('content-length') === '0')
    throw fieldProblem('invalid_request', '', 'The request has no body.');
  throw new Problem('unsupported_media_type', {
    detail: 'Send application/json or multipart/form-data, uncompressed.',
  });
}

function splitJson(bytes: Buffer): SplitBody {
  const split = splitImage(parseJsonObject(bytes));
  // Only a picture may make a body large.
  if (split.image === undefined && bytes.length > limits.jsonBodyBytesMax) throw tooLarge();
  return split;
}

async function splitForm(request: Request): Promise<SplitBody> {
  const { fields, image } = await readMultipart(request);
  const split = splitImage(objectOfForm(fields));
  if (image === undefined || split.image === undefined) return { fields: split.fields, image: image ?? split.image };
  throw fieldProblem('invalid_request', '/input_reference', 'The field comes more than once.');
}
