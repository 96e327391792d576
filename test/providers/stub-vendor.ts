import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import net from 'node:net';
import { buffer } from 'node:stream/consumers';

import { onTestFinished } from 'vitest';

export interface StubVendor {
  readonly origin: string;
  /** Everything that arrived whole, in order. */
  readonly received: readonly ReceivedRequest[];
}

interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Reply = (response: ServerResponse, request: ReceivedRequest) => void;

/** A vendor for one test: it reads each request to its end, then answers as told. The last reply stays. */
export async function stubVendor(...replies: readonly [Reply, ...Reply[]]): Promise<StubVendor> {
  const received: ReceivedRequest[] = [];
  const origin = await serve(async (request, response) => {
    const body = (await buffer(request)).toString('utf8');
    const arrived = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    received.push(arrived);
    const reply = replies[Math.min(received.length, replies.length) - 1] ?? replies[0];
    reply(response, arrived);
  });
  return { origin, received };
}

/** Serves on a free port of this machine until the test ends. */
export async function serve(listener: (...parameters: Parameters<RequestListener>) => unknown): Promise<string> {
  const server = http.createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the stub has no port');
  return `http://127.0.0.1:${address.port}`;
}

/** An origin where nobody listens: its port was free a moment ago. */
export async function deadOrigin(): Promise<string> {
  const server = http.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || !address) throw new Error('the stub had no port');
  return `http://127.0.0.1:${address.port}`;
}

/** Accepts connections and never says a word. */
export async function mutePeer(): Promise<{ readonly port: number; readonly connections: () => number }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the peer has no port');
  return { port: address.port, connections: () => sockets.size };
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return text(status, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
}

export function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return (response) => {
    response.writeHead(status, headers).end(body);
  };
}

export const html = text(200, '<html>sign in to the wireless network</html>', { 'content-type': 'text/html' });

export const reset: Reply = (response) => {
  response.socket?.resetAndDestroy();
};

/** Promises more than it sends. */
export const cutShort: Reply = (response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"code":200', () => response.socket?.destroy());
};

export const silence: Reply = () => {};

/** One byte every few milliseconds, for as long as somebody listens. */
export const drip: Reply = (response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write(' '), 5);
  response.on('close', () => clearInterval(timer));
};

/** A head, one byte every few milliseconds, which never comes to its end. */
export const dripHead: Reply = ({ socket }) => {
  socket?.write('HTTP/1.1 200 OK\r\nx-endless: ');
  const timer = setInterval(() => socket?.write('x'), 5);
  socket?.on('close', () => clearInterval(timer));
};

/** Begins an answer, and says no more. */
export const stall: Reply = (response) => {
  response.writeHead(200).write('{"code":200');
};

/** A hundred megabytes, as fast as they are taken. */
export const flood: Reply = (response) => {
  let left = 100;
  const megabyte = Buffer.alloc(1_048_576, 'x');
  const pour = () => {
    while (left > 0 && response.write(megabyte)) left -= 1;
    left -= 1;
    if (left <= 0) response.end();
  };
  response.writeHead(200).on('drain', pour);
  pour();
};
