import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { beginLongLived } from '../load/long-lived.ts';

/** A connection whose client asks to go on in another protocol. */
export interface Upgrade {
  readonly socket: Socket;
  /** What came behind the head of the request. */
  readonly head: Buffer;
}

interface Pending extends Upgrade {
  readonly response: ServerResponse;
}

const pending = new WeakMap<IncomingMessage, Pending>();

/**
 * Lets a request for a WebSocket meet the same handlers as any other, so that it is authenticated, counted and refused
 * with the same words; the route at its end takes the connection over. Every other protocol we do not speak, and such a
 * request is served in the one that it came in, as RFC 9110 has it (7.8): some clients ask for HTTP/2 with every POST.
 */
export function serveUpgrades(server: Server, handler: RequestListener): void {
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    if (!(stream instanceof Socket)) return void stream.destroy();
    const upgrade = { socket: stream, head };
    if (request.headers.upgrade?.toLowerCase() === 'websocket') answer(request, upgrade, handler);
    else serveAsIs(server, request, upgrade);
  });
}

/** Takes the connection over. Undefined: nobody has asked for that. */
export function takeUpgrade(request: IncomingMessage): Upgrade | undefined {
  const found = pending.get(request);
  if (found === undefined) return undefined;
  pending.delete(request);
  found.response.statusCode = 101;
  beginLongLived(found.response);
  found.response.detachSocket(found.socket);
  // To whoever counts requests this one is over: what follows is none.
  found.response.emit('close');
  return found;
}

function answer(request: IncomingMessage, { socket, head }: Upgrade, handler: RequestListener): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  socket.on('error', () => socket.destroy());
  response.assignSocket(socket);
  response.once('finish', () => {
    if (pending.delete(request)) socket.end();
  });
  pending.set(request, { socket, head, response });
  handler(request, response);
}

/** Names that spoke of the other protocol. */
const dropped = new Set(['upgrade', 'connection', 'http2-settings']);

/** Puts the request back without the wish, and has the server read it once more. */
function serveAsIs(
  server: Server,
  { method = '', url = '', httpVersion, rawHeaders }: IncomingMessage,
  upgrade: Upgrade,
) {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2);
    if (!dropped.has(name.toLowerCase())) lines.push(`${name}: ${value}`);
  }
  upgrade.socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), upgrade.head]));
  server.emit('connection', upgrade.socket);
}
