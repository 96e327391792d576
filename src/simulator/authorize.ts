import type { Exchange, Route } from './route.ts';

export function isAuthorized({ request, account }: Pick<Exchange, 'request' | 'account'>): boolean {
  const { options, vendor } = account;
  return options.apiKey === undefined || request.headers.authorization === `${vendor.authorization} ${options.apiKey}`;
}

/** The route, for those who have the key. */
export function withKey(route: Route): Route {
  return {
    ...route,
    handle: (exchange) =>
      isAuthorized(exchange) ? route.handle(exchange) : exchange.account.vendor.errors.unauthorized(),
  };
}
