import type { ServerResponse } from 'node:http';

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

export function text(status: number, body: string): Answer {
  return { kind: 'bytes', status, headers: { 'content-type': 'text/plain' }, body: Buffer.from(body) };
}

/** What goes wrong outside of any vendor. */
export function failure(status: number, message: string): Answer {
  return json(status, { error: message });
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
