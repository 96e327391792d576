import type { RouteConfig, ZodContentObject } from '@asteasolutions/zod-to-openapi';
import type { z } from 'zod';
import type { Scope } from '../../domain/tenant.ts';
import { type ProblemCode, problemKinds } from '../problems/problem-kinds.ts';
import { problemSchema } from './problem-schema.ts';

/** One call of the API, said as shortly as it can be. What every call has in common is added by `routeOf`. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly tag: 'Videos' | 'Streams' | 'Uploads' | 'Models' | 'Webhooks' | 'Account' | 'Admin' | 'About' | 'Elsewhere';
  readonly summary: string;
  readonly description?: string;
  /** What the key has to be allowed. `none`: no key is asked for. */
  readonly scope: Scope | 'none';
  /** The `client_token` of the job will do as well. */
  readonly takesClientToken?: boolean;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: ZodContentObject;
  /** A request without a body is a request too. */
  readonly bodyIsOptional?: boolean;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Besides those that every call may meet. */
  readonly problems?: readonly ProblemCode[];
}

export interface Answer {
  readonly description: string;
  readonly content?: ZodContentObject;
  readonly headers?: readonly HeaderName[];
}

export type HeaderName = keyof typeof answerHeaders;

const text = { type: 'string' } as const;
const seconds = { type: 'integer', minimum: 0 } as const;

/** Every header of ours that an answer may have. */
export const answerHeaders = {
  'X-Request-Id': { required: true, description: 'Names the answer in our log.', schema: text },
  Location: { required: true, description: 'Where it is to be found.', schema: text },
  'Retry-After': { description: 'Seconds, after which it is worth asking again.', schema: seconds },
  ETag: { description: 'Names this state of it, for `If-None-Match`.', schema: text },
  'Idempotency-Replayed': { description: '`true`: accepted before; this is its answer again.', schema: text },
  'Preference-Applied': { description: 'What of `Prefer` was honoured.', schema: text },
  'Content-Range': { description: 'Which part this is.', schema: text },
  RateLimit: { description: 'What is left of the tenant’s limits, and until when.', schema: text },
  'RateLimit-Policy': { description: 'The tenant’s limits.', schema: text },
  'X-Should-Retry': { description: '`false`: OpenAI’s client is not to repeat the request.', schema: text },
};

const everybodysProblems = ['invalid_path', 'internal_error', 'overloaded'] as const;
const callersProblems = [
  'unauthorized',
  'forbidden',
  'insufficient_scope',
  'quota_exceeded',
  'database_unavailable',
] as const;

/** The call in the words of the generator. */
export function routeOf(operation: Operation): RouteConfig {
  const { method, path, id, summary, description, tag, params, query, headers, body } = operation;
  return {
    method,
    path,
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(operation),
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(body && { body: { content: body, required: operation.bodyIsOptional !== true } }),
    },
    responses: { ...answersOf(operation), ...refusalsOf(operation) },
  };
}

function securityOf({ scope, takesClientToken = false }: Operation): Record<string, string[]>[] {
  if (scope === 'none') return [];
  return [{ apiKey: [scope] }, ...(takesClientToken ? [{ clientToken: [] }] : [])];
}

function answersOf({ answers, scope }: Operation): RouteConfig['responses'] {
  const limited: readonly HeaderName[] = scope === 'none' ? [] : ['RateLimit', 'RateLimit-Policy'];
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, content, headers = [] }]) => [
      status,
      { description, headers: refsOf(['X-Request-Id', ...headers, ...limited]), ...(content && { content }) },
    ]),
  );
}

/** The problems that a call may answer with, by status. */
function refusalsOf({ scope, problems = [] }: Operation): RouteConfig['responses'] {
  const codes = new Set<ProblemCode>([
    ...everybodysProblems,
    ...(scope === 'none' ? [] : callersProblems),
    ...problems,
  ]);
  const statuses = [...new Set([...codes].map((code) => problemKinds[code].status))];
  return Object.fromEntries(
    statuses.map((status) => [status, refusal([...codes].filter((code) => problemKinds[code].status === status))]),
  );
}

function refusal(codes: readonly ProblemCode[]) {
  return {
    description: codes.map((code) => `\`${code}\`: ${problemKinds[code].title}`).join(' '),
    headers: refsOf(['X-Request-Id', 'Retry-After', 'X-Should-Retry']),
    content: { 'application/problem+json': { schema: problemSchema } },
  };
}

function refsOf(names: readonly HeaderName[]) {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
