import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** One webhook as a subscriber gets it. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Answering = (response: ServerResponse, received: Received) => unknown;

/** A subscriber's server. It answers 204 unless a path was told otherwise. */
export interface Receiver {
  readonly origin: string;
  readonly received: readonly Received[];
  at(path: string): readonly Received[];
  /** Answers a path so from now on, and returns its URL. */
  answer(path: string, answering: Answering): string;
  close(): Promise<void>;
}

const noContent: Answering = (response) => response.writeHead(204).end();
/** Takes the request and never says a word. */
export const hang: Answering = () => undefined;

export function status(code: number, headers: Record<string, string> = {}): Answering {
  return (response) => response.writeHead(code, headers).end('no');
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers = new Map<string, Answering>();
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, resolve));
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  return {
    origin,
    received,
    at: (path) => received.filter((one) => one.path === path),
    answer(path, answering) {
      answers.set(path, answering);
      return origin + path;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const path = request.url ?? '';
    const one = { path, headers: request.headers, body: await text(request) };
    received.push(one);
    (answers.get(path) ?? noContent)(response, one);
  }
}
