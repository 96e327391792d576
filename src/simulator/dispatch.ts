import type { IncomingMessage } from 'node:http';
import { failure, type Answer } from './answer.ts';
import { controlRoutes } from './control.ts';
import { outputs } from './outputs.ts';
import type { RootExchange, Route } from './route.ts';
import { media } from './uploads.ts';
import type { SimulatedVendor } from './vendor.ts';
import type { World } from './world.ts';

/** What the vendors share: it stands at the root, and needs no key. */
const rootRoutes: readonly Route<RootExchange>[] = [outputs, media, ...controlRoutes];

interface Stage {
  readonly world: World;
  readonly vendors: readonly SimulatedVendor[];
}

/** Finds who is asked by the path's first segment, and answers in that vendor's shape even when all fails. */
export async function dispatch({ world, vendors }: Stage, request: IncomingMessage): Promise<Answer> {
  const origin = `http://${request.headers.host ?? 'localhost'}`;
  const url = new URL(request.url ?? '/', origin);
  const [, name, path = '/'] = /^\/([^/]+)(\/.*)?$/.exec(url.pathname) ?? [];
  const vendor = vendors.find((vendor) => vendor.name === name);
  const account = vendor && world.accounts.get(vendor.name);
  try {
    if (!vendor || !account) return await answerAtRoot({ request, url, world });
    const found = findRoute(vendor.routes, { request, path });
    if (!found) return vendor.errors.notFound('route');
    const { route, parameters } = found;
    const baseUrl = `${origin}/${vendor.name}`;
    return await route.handle({ request, url, parameters, origin, baseUrl, account, media: world.media });
  } catch (error) {
    world.options.log?.('request failed', { error });
    return vendor?.errors.internal() ?? failure(500, 'the simulator failed');
  }
}

async function answerAtRoot(asked: Omit<RootExchange, 'parameters'>): Promise<Answer> {
  const found = findRoute(rootRoutes, { request: asked.request, path: asked.url.pathname });
  if (!found) return failure(404, 'no such route');
  return found.route.handle({ ...asked, parameters: found.parameters });
}

interface Found<AnyExchange> {
  readonly route: Route<AnyExchange>;
  readonly parameters: Readonly<Record<string, string>>;
}

function findRoute<AnyExchange>(
  routes: readonly Route<AnyExchange>[],
  { request, path }: { readonly request: IncomingMessage; readonly path: string },
): Found<AnyExchange> | undefined {
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  for (const route of routes) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (match) return { route, parameters: match.groups ?? {} };
  }
  return undefined;
}
