import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { sendAnswer, type Answer } from './answer.ts';
import { dispatch } from './dispatch.ts';
import type { SimulatorOptions } from './options.ts';
import type { SimulatedVendor } from './vendor.ts';
import { vendors as allVendors } from './vendors.ts';
import { createWorld } from './world.ts';

export interface Simulator {
  /** Port 0 takes any free one. */
  readonly listen: (port?: number, host?: string) => Promise<RunningSimulator>;
}

export interface RunningSimulator {
  /** A vendor's API is at `<origin>/<its name>`. */
  readonly origin: string;
  /** Drops all timers and connections, then resolves. */
  readonly close: () => Promise<void>;
}

/** The vendors as their documents describe them, over real HTTP, with seeded bad days. */
export function createSimulator(
  options: SimulatorOptions,
  vendors: readonly SimulatedVendor[] = allVendors,
): Simulator {
  const world = createWorld(options, vendors);
  const server = serve((request) => dispatch({ world, vendors }, request));
  const close = () => {
    world.close();
    return closeServer(server);
  };
  return {
    listen: async (port = 0, host = '127.0.0.1') => ({ origin: await openServer(server, port, host), close }),
  };
}

function serve(answer: (request: IncomingMessage) => Promise<Answer>): http.Server {
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const decided = await answer(request);
    if (!response.destroyed) sendAnswer(response, decided);
  };
  const server = http.createServer((request, response) => void handle(request, response));
  // Node's five seconds would now and then reset a caller's idle connection: a fault that nobody seeded.
  server.keepAliveTimeout = 120_000;
  return server;
}

async function openServer(server: http.Server, port: number, host: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ port, host, backlog: 4_096 }, resolve);
  });
  const address = server.address();
  return `http://${host}:${typeof address === 'object' && address ? address.port : port}`;
}

function closeServer(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
