import type { ErrorRequestHandler, Request, Response } from 'express';
import type { Logger } from 'pino';
import { limits } from '../../domain/limits/limits.ts';
import { type ProblemCode, problemKinds } from './problem-kinds.ts';
import { redactUrl } from '../auth/redact-url.ts';

/** One field at fault. */
export interface FieldError {
  /** JSON pointer into the body; a header or a part of the path goes by its name. */
  readonly pointer: string;
  readonly message: string;
  readonly allowed?: readonly (string | number)[];
}

export interface ProblemDetail {
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** It doesn't pass so soon that a client had better try again by itself. Some kinds never do. */
  readonly isLasting?: boolean;
  /** A code of the catalogue's, which takes the place of the kind's. */
  readonly code?: string;
  readonly cause?: unknown;
}

/** An answer that is an error (RFC 9457). Thrown anywhere in the API, written here only. */
export class Problem extends Error {
  override name = 'Problem';
  readonly kind: ProblemCode;
  readonly detail: ProblemDetail;

  constructor(kind: ProblemCode, detail: ProblemDetail = {}) {
    super(kind, { cause: detail.cause });
    this.kind = kind;
    this.detail = detail;
  }
}

/** A problem with one field, in one line. */
export function fieldProblem(kind: ProblemCode, pointer: string, message: string): Problem {
  return new Problem(kind, { detail: message, errors: [{ pointer, message }] });
}

/** A problem that passes by itself, with the moment to come back: spread over seconds, so that clients don't in step. */
export function temporaryProblem(
  kind: 'overloaded' | 'database_unavailable' | 'storage_unavailable',
  cause?: unknown,
): Problem {
  const seconds = 1 + Math.floor(Math.random() * 4);
  return new Problem(kind, { detail: 'Try again in a moment.', headers: { 'retry-after': String(seconds) }, cause });
}

export interface ProblemSettings {
  readonly logger: Logger;
  readonly onProblem: (code: string) => void;
}

/** Express' last handler: anything thrown becomes an answer. */
export function answerProblems(settings: ProblemSettings): ErrorRequestHandler {
  // oxlint-disable-next-line max-params -- Express knows the handlers of errors by their four parameters.
  return (error: unknown, request, response, _next) => {
    const problem = problemOf(error);
    const { status } = problemKinds[problem.kind];
    settings.onProblem(problem.detail.code ?? problem.kind);
    if (status >= 500)
      settings.logger.error({ err: problem.cause ?? error, requestId: requestIdOf(response) }, 'request failed');
    // The answer has begun: it can only be cut short, so that nobody takes a part for the whole.
    if (response.headersSent) response.destroy();
    else send(problem, request, response);
  };
}

function send(problem: Problem, request: Request, response: Response): void {
  const { status } = problemKinds[problem.kind];
  if (problem.detail.headers) response.set(problem.detail.headers);
  if (problem.detail.isLasting ?? lasting.has(problem.kind)) response.set('x-should-retry', 'false');
  if (!request.complete) disposeOfBody(request, response);
  const [instance] = redactUrl(request.originalUrl).split('?');
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(bodyOfProblem(problem, { requestId: requestIdOf(response), instance })));
}

/** OpenAI's client repeats a 409 and a 429 at once, twice. These don't pass that soon. */
const lasting: ReadonlySet<ProblemCode> = new Set([
  'budget_exceeded',
  'queue_full',
  'spend_cap_reached',
  'not_supported_here',
  'video_not_ready',
  'job_final',
  'repair_refused',
]);

/** Whether clients that repeat what failed for a moment will repeat this one. */
export function invitesRetry({ kind, detail }: Problem): boolean {
  const { status } = problemKinds[kind];
  const isLasting = detail.isLasting ?? (lasting.has(kind) || detail.headers?.['x-should-retry'] === 'false');
  return !isLasting && (status === 409 || status === 429 || status >= 500);
}

/** A client that is cut off while it sends never sees the answer. */
function disposeOfBody(request: Request, response: Response): void {
  const bytes = Number(request.get('content-length') ?? Number.POSITIVE_INFINITY);
  if (bytes <= limits.refusedBodyBytesMax) request.resume();
  else response.set('connection', 'close');
}

export interface ProblemPlace {
  readonly requestId: string;
  /** The path, without its query: that may hold a token. Undefined: nobody could read it. */
  readonly instance?: string | undefined;
}

/** The document itself, with the `error` member that OpenAI's client makes its own errors of. */
export function bodyOfProblem(problem: Problem, { requestId, instance }: ProblemPlace): Record<string, unknown> {
  const { status, title } = problemKinds[problem.kind];
  const { errors = [], detail = title, code = problem.kind } = problem.detail;
  return {
    type: `/problems/${code}`,
    title,
    status,
    detail,
    ...(instance === undefined ? {} : { instance: instance.slice(0, limits.instanceCharsMax) }),
    code,
    request_id: requestId,
    ...(errors.length > 0 && { errors }),
    error: { message: detail, type: dialectType(status), code, param: dialectParam(errors[0]) },
  };
}

function requestIdOf(response: Response): string {
  return response.get('x-request-id') ?? '';
}

/** The types of error that the OpenAI client knows. */
function dialectType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

function dialectParam(error: FieldError | undefined): string | null {
  return error ? error.pointer.slice(1).replaceAll('/', '.') : null;
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof Error)) return new Problem('internal_error', { cause: error });
  const kind = kindOfParserError(error);
  if (kind !== undefined) return new Problem(kind, { cause: error });
  return new Problem('internal_error', { cause: error });
}

/** What Express and its body reader throw by themselves. */
function kindOfParserError(error: Error): ProblemCode | undefined {
  if (error instanceof URIError) return 'invalid_path';
  if ('type' in error && typeof error.type === 'string') return kindsOfBodyErrors[error.type];
  if ('status' in error && error.status === 400) return 'invalid_request';
  return undefined;
}

const kindsOfBodyErrors: Readonly<Record<string, ProblemCode>> = {
  'entity.too.large': 'body_too_large',
  'encoding.unsupported': 'unsupported_media_type',
  'charset.unsupported': 'unsupported_media_type',
  'request.aborted': 'invalid_request',
  'request.size.invalid': 'invalid_request',
};
