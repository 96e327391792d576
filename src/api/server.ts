import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { answerClientError } from './problems/client-error.ts';
import { serveUpgrades } from './streams/upgrade.ts';

/**
 * The timeouts of a server that is met by slow, broken and hostile clients. Idle connections outlive a load balancer's
 * 60 s, so that it is never the one to find a closed one; the timeouts are checked every second, not every 30.
 */
const serverOptions = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 72_000,
  connectionsCheckingInterval: 1_000,
} as const;

/** Node's 511 overflows when a thousand clients connect at once. */
const backlog = 4_096;
const idleCheckMs = 50;

export interface Endpoint {
  readonly host: string;
  /** Zero: any free one. */
  readonly port: number;
}

export interface RunningServer {
  readonly port: number;
  readonly url: string;
  /** Takes no more connections, lets requests under way end, and cuts what is left after the grace. */
  close(graceMs?: number): Promise<void>;
}

export function createServer(handler: RequestListener): Server {
  const server = createHttpServer(serverOptions, handler).on('clientError', answerClientError);
  serveUpgrades(server, handler);
  return server;
}

/** Starts to serve. Rejects when the address is taken or not ours. */
export async function listen(handler: RequestListener, { host, port }: Endpoint): Promise<RunningServer> {
  const server = createServer(handler);
  const sockets = trackSockets(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const actualPort = portOf(server.address());
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    port: actualPort,
    url: `http://${name}:${actualPort}`,
    close: (graceMs) => close({ server, sockets }, graceMs ?? 10_000),
  };
}

interface Serving {
  readonly server: Server;
  readonly sockets: ReadonlySet<Socket>;
}

async function close({ server, sockets }: Serving, graceMs: number): Promise<void> {
  // A connection that falls idle after this moment would otherwise be kept alive for another minute.
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
  // All of them: one that has become a WebSocket is none of the server's any more.
  const grace = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs);
  const closed = new Promise((resolve) => void server.close(resolve));
  // Node counts a connection that has not said anything yet as busy.
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  await closed;
  clearInterval(idle);
  clearTimeout(grace);
}

function trackSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('assertion failed: a server on a port has one');
  return address.port;
}
