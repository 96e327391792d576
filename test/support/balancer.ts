import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';

export interface Balancer {
  close(): Promise<void>;
}

/**
 * Gives each request to the next backend in turn, as what stands before several APIs does. One that takes no connection
 * is passed over; one that dies in the middle of a request leaves a 502, since nobody knows what it had done.
 */
export async function openBalancer({
  port,
  backends,
  readinessOf,
}: {
  readonly port: number;
  readonly backends: readonly number[];
  /** Where a backend says whether it wants requests. Absent: nobody asks. */
  readonly readinessOf?: (backend: number) => string;
}): Promise<Balancer> {
  let turn = 0;
  const leaving = new Set<number>();
  const asking = setInterval(() => {
    if (readinessOf) for (const backend of backends) void askReadiness(readinessOf(backend), backend, leaving);
  }, 200);
  const server = createServer((request, response) => {
    turn += 1;
    const inTurn = backends.map((_, index) => backends[(turn + index) % backends.length] ?? port);
    pass({ request, response }, [
      ...inTurn.filter((one) => !leaving.has(one)),
      ...inTurn.filter((one) => leaving.has(one)),
    ]);
  });
  // Longer than any client keeps one that it does not use: whoever closes first must not be the one who may be asked.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    async close() {
      clearInterval(asking);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Who says that it is leaving gets nothing more while there is another one. Whoever is late with an answer is not leaving. */
export async function askReadiness<Backend>(url: string, backend: Backend, leaving: Set<Backend>): Promise<void> {
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    if (status === 503) leaving.add(backend);
    else leaving.delete(backend);
  } catch {
    return;
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function pass(exchange: Exchange, [port, ...others]: readonly number[]): void {
  const { request, response } = exchange;
  if (port === undefined) return refuse(response);
  const { method, url, headers } = request;
  // A connection of its own, so that nothing is sent on one whose other end has died.
  const upstream = forward({ host: '127.0.0.1', port, method, path: url, headers, agent: false });
  upstream.once('socket', (socket) => socket.once('connect', () => request.pipe(upstream)));
  upstream.once('response', (answer) => {
    // What a backend says of its connection is not said of the client's.
    const { connection: _connection, 'keep-alive': _keepAlive, ...told } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, told);
    answer.once('error', () => response.destroy());
    answer.pipe(response);
  });
  upstream.once('error', (error) => {
    if ('code' in error && error.code === 'ECONNREFUSED') pass(exchange, others);
    else refuse(response);
  });
  response.once('close', () => upstream.destroy());
}

function refuse(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(502).end();
}
