import type { Express } from 'express';
import { z } from 'zod';

const stackSchema = z.array(
  z.looseObject({
    name: z.string(),
    route: z.object({ path: z.string(), stack: z.array(z.looseObject({ method: z.string().optional() })) }).optional(),
  }),
);

/** The router is a function, with its routes as a member. */
function stackOf(handler: Express) {
  return stackSchema.parse(Reflect.get(handler.router, 'stack'));
}

/** Every route of an Express app as `method /path/{parameter}`; HEAD goes with GET, and refusals of methods are left out. */
export function listRoutes(handler: Express): readonly string[] {
  return stackOf(handler).flatMap(({ route }) => {
    if (route === undefined) return [];
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    const methods = new Set(route.stack.flatMap(({ method }) => (method === undefined ? [] : [method])));
    return [...methods].filter((method) => method !== 'head').map((method) => `${method} ${path}`);
  });
}

/** Routers within the app: Express does not tell where they are mounted, so their routes can't be listed. */
export function findUndescribedRoutes(handler: Express): readonly string[] {
  return stackOf(handler)
    .filter(({ name }) => name === 'router')
    .map(({ name }) => name);
}
