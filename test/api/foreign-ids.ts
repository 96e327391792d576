import { listRoutes } from '../support/contract-routes.ts';
import type { ApiBench } from './api-bench.ts';

/** Something of a tenant's, of every kind that a path may name. */
export interface TenantIds {
  readonly video: string;
  readonly webhookEndpoint: string;
  readonly webhookDelivery: string;
}

export interface IdRoute {
  readonly method: string;
  readonly path: string;
}

/** Ids that are everybody's, URLs that carry their own permission, and the operator's, which no tenant's key opens (admin.int). */
const isPublic = /^(\/v1\/models\/|\/v1\/callbacks\/|\/v1\/uploads\/|\/v1\/admin\/)/;

/** Every route behind authentication whose path names something of a tenant's. */
export function idRoutesOf({ routes }: Pick<ApiBench, 'routes'>): readonly IdRoute[] {
  return listRoutes(routes)
    .map((line) => {
      const [method = '', path = ''] = line.split(' ');
      return { method: method.toUpperCase(), path };
    })
    .filter(({ path }) => path.startsWith('/v1/') && path.includes('{') && !isPublic.test(path));
}

/** The path with an id in it. Throws for a kind of id that nobody has thought of here: add it to `TenantIds`. */
export function pathWith({ path }: IdRoute, ids: TenantIds): string {
  const id = path.startsWith('/v1/videos/')
    ? ids.video
    : path.startsWith('/v1/webhook_endpoints/')
      ? ids.webhookEndpoint
      : path.startsWith('/v1/webhook_deliveries/')
        ? ids.webhookDelivery
        : undefined;
  if (id === undefined || path.split('{').length !== 2) throw new Error(`whose id is in ${path}?`);
  return path.replace(/\{\w+\}/, id);
}
