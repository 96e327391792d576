import { failure } from '../answer.ts';
import type { Exchange, Route } from '../route.ts';

export function isAuthorized({ request, options }: Pick<Exchange, 'request' | 'options'>): boolean {
  return options.apiKey === undefined || request.headers.authorization === `Bearer ${options.apiKey}`;
}

/** The route, for those who have the key. */
export function withKey(route: Route): Route {
  return {
    ...route,
    handle: (exchange) => (isAuthorized(exchange) ? route.handle(exchange) : failure(401, 'invalid api key')),
  };
}
