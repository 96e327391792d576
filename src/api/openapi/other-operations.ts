import { z } from 'zod';
import { uploadWishSchema } from '../schemas.ts';
import { absentCalls } from './absent-calls.ts';
import { modelListSchema, modelSchema } from './model-schemas.ts';
import type { Operation } from './operation.ts';
import { problemPageSchema } from './problem-schema.ts';
import { keptUploadSchema, uploadId, uploadSchema } from './upload-schemas.ts';

const uploadOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/uploads',
    id: 'createUpload',
    tag: 'Uploads',
    summary: 'Get a place for one picture.',
    description:
      'A burst of selfies then goes past the request that asks for the video, which names the upload by its id.',
    scope: 'write',
    body: {
      'application/json': {
        schema: uploadWishSchema.meta({ id: 'CreateUpload' }),
        example: { content_type: 'image/jpeg', bytes: 123_456 },
      },
    },
    answers: {
      201: { description: 'The place.', content: { 'application/json': { schema: uploadSchema } } },
    },
    problems: ['invalid_json', 'invalid_request', 'body_too_large', 'unsupported_media_type', 'storage_unavailable'],
  },
  {
    method: 'put',
    path: '/v1/uploads/{id}',
    id: 'putUpload',
    tag: 'Uploads',
    summary: 'Send the picture, to the URL that `createUpload` answered with.',
    description: 'With an S3 bucket behind the service that URL leads to the bucket, and this call is not used.',
    scope: 'none',
    params: z.object({ id: uploadId }),
    query: z.object({ expires: z.string(), signature: z.string() }),
    body: {
      'image/jpeg': { schema: { type: 'string', format: 'binary' } },
      'image/png': { schema: { type: 'string', format: 'binary' } },
      'image/webp': { schema: { type: 'string', format: 'binary' } },
    },
    answers: { 200: { description: 'It is kept.', content: { 'application/json': { schema: keptUploadSchema } } } },
    problems: [
      'invalid_request',
      'upload_refused',
      'request_timed_out',
      'length_required',
      'body_too_large',
      'unsupported_media_type',
      'storage_unavailable',
      'database_unavailable',
    ],
  },
];

const modelOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'Models',
    summary: 'List what can be asked for here, at whom, at what price, and how any of it is known.',
    scope: 'read',
    answers: { 200: { description: 'Every model.', content: { 'application/json': { schema: modelListSchema } } } },
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    id: 'getModel',
    tag: 'Models',
    summary: 'Read one of them.',
    scope: 'read',
    params: z.object({ id: z.string().min(1) }),
    answers: { 200: { description: 'The model.', content: { 'application/json': { schema: modelSchema } } } },
    problems: ['not_found'],
  },
];

const html = { 'text/html': { schema: { type: 'string' } } } as const;

const aboutOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/problems/{code}',
    id: 'getProblem',
    tag: 'About',
    summary: 'Read what a problem means, and what to do next. The `type` of every problem leads here.',
    scope: 'none',
    params: z.object({ code: z.string().min(1) }),
    answers: {
      200: {
        description: 'As JSON, or as a page for browsers.',
        content: { 'application/json': { schema: problemPageSchema }, ...html },
        headers: ['ETag'],
      },
    },
    problems: ['not_found'],
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'getOpenApi',
    tag: 'About',
    summary: 'Read this document.',
    scope: 'none',
    answers: {
      200: {
        description: 'The document.',
        content: { 'application/json': { schema: { type: 'object' } } },
        headers: ['ETag'],
      },
      304: { description: 'It is as it was.', headers: ['ETag'] },
    },
  },
  {
    method: 'get',
    path: '/docs',
    id: 'getDocs',
    tag: 'About',
    summary: 'Read this document as a page, and try the calls.',
    scope: 'none',
    answers: { 200: { description: 'The page.', content: html } },
  },
];

const absentOperations: readonly Operation[] = absentCalls.map(({ method, path, id, what }) => ({
  method,
  path,
  id,
  tag: 'Elsewhere',
  summary: `${what} is not offered here.`,
  scope: method === 'get' ? 'read' : 'write',
  ...(path.includes('{id}') && { params: z.object({ id: z.string().min(1) }) }),
  answers: {},
  problems: ['not_supported_here'],
}));

export const otherOperations: readonly Operation[] = [
  ...uploadOperations,
  ...modelOperations,
  ...aboutOperations,
  ...absentOperations,
];
