import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { bodyOfProblem, Problem } from './problem.ts';
import { type ProblemCode, problemKinds } from './problem-kinds.ts';

/** Node's parser gives up before there is a request that Express could answer: the same kind of answer, by hand. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Gone already, or in the middle of another answer, which can only be cut short.
  if (error.code === 'ECONNRESET' || !socket.writable || hasAnswered(socket)) return void socket.destroy();
  const problem = new Problem(kinds[error.code ?? ''] ?? 'invalid_request', {
    detail: details[error.code ?? ''] ?? malformed,
  });
  const requestId = randomUUID();
  const body = JSON.stringify(bodyOfProblem(problem, { requestId }));
  const { status } = problemKinds[problem.kind];
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Bad Request'}\r\nconnection: close\r\nx-request-id: ${requestId}\r\n` +
      `content-type: application/problem+json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Node keeps the answer under way with the socket. */
function hasAnswered(socket: Duplex): boolean {
  const message: unknown = Reflect.get(socket, '_httpMessage');
  return typeof message === 'object' && message !== null && Reflect.get(message, 'headersSent') === true;
}

const malformed = 'This is not HTTP as it should be.';

const kinds: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timed_out',
};

const details: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The head of a request may have 16 KiB.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request did not arrive in time.',
};

const reasons: Readonly<Record<number, string>> = {
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};
