import type { ServerResponse } from 'node:http';
import { errorEnvelope, successEnvelope } from './wire.ts';

/** What a route decided to do with a request; some vendors' bad days are no HTTP answer at all. */
export type Answer =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown; readonly headers?: Headers }
  | { readonly kind: 'bytes'; readonly status: number; readonly body: Buffer; readonly headers: Headers }
  | { readonly kind: 'reset' }
  | { readonly kind: 'silence' };

type Headers = Readonly<Record<string, string>>;

export function json(status: number, body: unknown, headers?: Headers): Answer {
  return { kind: 'json', status, body, ...(headers && { headers }) };
}

export function success(data: unknown): Answer {
  return json(200, successEnvelope(data));
}

export function failure(status: number, message: string, errorCode?: number): Answer {
  return json(status, errorEnvelope(status, message, errorCode));
}

export function notFound(what: string): Answer {
  return failure(404, `${what} not found`);
}

export function sendAnswer(response: ServerResponse, answer: Answer): void {
  switch (answer.kind) {
    case 'json':
      return sendBytes(response, {
        status: answer.status,
        headers: { 'content-type': 'application/json', ...answer.headers },
        body: Buffer.from(JSON.stringify(answer.body)),
      });
    case 'bytes':
      return sendBytes(response, answer);
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'silence':
      return;
  }
}

interface Bytes {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

function sendBytes(response: ServerResponse, { status, headers, body }: Bytes): void {
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.end(body);
}
