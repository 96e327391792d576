import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { Account } from './account.ts';
import { failure, notFound, sendAnswer, type Answer } from './answer.ts';
import { createCallbackClient, type CallbackClient } from './callback-client.ts';
import { createMediaStore } from './media-store.ts';
import type { SimulatorOptions } from './options.ts';
import { hexId } from './random.ts';
import type { Exchange, Route } from './route.ts';
import { accountRoutes } from './routes/account.ts';
import { controlRoutes } from './routes/control.ts';
import { mediaRoutes } from './routes/media.ts';
import { outputs } from './routes/outputs.ts';
import { predictionRoutes } from './routes/predictions.ts';
import { submit } from './routes/submit.ts';

export interface Simulator {
  /** Port 0 takes any free one. */
  readonly listen: (port?: number, host?: string) => Promise<RunningSimulator>;
}

export interface RunningSimulator {
  readonly origin: string;
  /** Drops all timers and connections, then resolves. */
  readonly close: () => Promise<void>;
}

/** Submit comes last: its path matches whatever the others leave. */
const routes: readonly Route[] = [
  ...predictionRoutes,
  ...accountRoutes,
  ...mediaRoutes,
  outputs,
  ...controlRoutes,
  submit,
];

/** WaveSpeed as its documents describe it, over real HTTP, with seeded bad days. */
export function createSimulator(options: SimulatorOptions): Simulator {
  const client = createCallbackClient();
  const world = createWorld(options, client);
  const server = http.createServer((request, response) => void handle(world, request, response));
  // Node's five seconds would now and then reset a caller's idle connection: a fault that nobody seeded.
  server.keepAliveTimeout = 120_000;
  const close = () => {
    world.account.close();
    client.close();
    return closeServer(server);
  };
  return {
    listen: async (port = 0, host = '127.0.0.1') => ({ origin: await openServer(server, port, host), close }),
  };
}

type World = Pick<Exchange, 'account' | 'media' | 'options' | 'reset'>;

function createWorld(options: SimulatorOptions, client: CallbackClient): World {
  // Ids go on counting across resets: callers may keep them in a table where they must be unique.
  let minted = 0;
  const mintId = () => hexId(options.seed, options.idSalt ?? '', minted++);
  const openAccount = () => new Account({ options, client, mintId });
  let account = openAccount();
  return {
    options,
    media: createMediaStore(),
    get account() {
      return account;
    },
    reset() {
      account.close();
      account = openAccount();
    },
  };
}

async function handle(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const answer = await route(world, request);
    if (!response.destroyed) sendAnswer(response, answer);
  } catch (error) {
    world.options.log?.('request failed', { error });
    if (!response.destroyed) sendAnswer(response, failure(500, 'the simulator failed'));
  }
}

async function route(world: World, request: IncomingMessage): Promise<Answer> {
  const origin = `http://${request.headers.host ?? 'localhost'}`;
  const url = new URL(request.url ?? '/', origin);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  for (const { method: wanted, path, handle } of routes) {
    const match = method === wanted ? path.exec(url.pathname) : null;
    if (match) return handle({ request, url, origin, parameters: match.groups ?? {}, ...partsOf(world) });
  }
  return notFound('route');
}

/** Spelt out, so that a request keeps the account it began with, whatever is reset meanwhile. */
function partsOf({ account, media, options, reset }: World): World {
  return { account, media, options, reset };
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
