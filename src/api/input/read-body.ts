import express, { type Request, type RequestHandler } from 'express';
import { objectOfForm } from './form-fields.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';
import { jsonWithImageBytesMax, parseJsonObject, tooLarge } from './read-json.ts';
import { readMultipart } from './read-multipart.ts';
import { type SplitBody, splitImage } from './image-reference.ts';
import { limits } from '../../domain/limits/limits.ts';
import { findTextFault } from './text-check.ts';

/** Reads a body of JSON as bytes: it is measured before anybody parses it. */
export function readJsonBytes(bytesMax: number = jsonWithImageBytesMax): RequestHandler {
  return express.raw({ type: 'application/json', limit: bytesMax, inflate: false });
}

/** The fields of a request that takes JSON only. */
export function jsonFieldsOf(request: Request): Record<string, unknown> {
  const body: unknown = request.body;
  if (Buffer.isBuffer(body)) return withoutTextFault(parseJsonObject(body));
  throw unreadable(request, 'Send application/json, uncompressed.');
}

/** The fields and the picture of a request, in either form. Every text in the fields can be stored. */
export async function readVideoBody(request: Request): Promise<SplitBody> {
  const body = await readEither(request);
  withoutTextFault(body.fields);
  return body;
}

function withoutTextFault(fields: Record<string, unknown>): Record<string, unknown> {
  const fault = findTextFault(fields);
  if (fault === undefined) return fields;
  const detail = `${fault.pointer || 'The body'}: ${fault.message}`;
  throw new Problem('invalid_request', { detail, errors: [fault] });
}

async function readEither(request: Request): Promise<SplitBody> {
  const body: unknown = request.body;
  if (Buffer.isBuffer(body)) return splitJson(body);
  if (request.is('multipart/form-data')) return await splitForm(request);
  throw unreadable(request, 'Send application/json or multipart/form-data, uncompressed.');
}

function unreadable(request: Request, detail: string): Problem {
  // `null`: there is no body whose type could be wrong.
  if (request.is('*/*') === null || request.get('content-length') === '0')
    return fieldProblem('invalid_request', '', 'The request has no body.');
  return new Problem('unsupported_media_type', { detail });
}

function splitJson(bytes: Buffer): SplitBody {
  const split = splitImage(parseJsonObject(bytes));
  // Only a picture may make a body large.
  if (split.reference?.kind !== 'bytes' && bytes.length > limits.jsonBodyBytesMax) throw tooLarge();
  return split;
}

async function splitForm(request: Request): Promise<SplitBody> {
  const { fields, image } = await readMultipart(request);
  const split = splitImage(objectOfForm(fields));
  if (image === undefined) return split;
  if (split.reference === undefined) return { ...split, reference: { kind: 'bytes', bytes: image } };
  throw fieldProblem('invalid_request', '/input_reference', 'The field comes more than once.');
}
