import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../problems/problem.ts';

/**
 * Stands in for the key where there is none. Listening on loopback keeps other machines out, but not the pages that a
 * browser on this one shows: they may send a form to any address, and read from one that their own name is rebound to.
 */
export function refuseStrangers({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): void {
  const isOurs = isLoopback(host) && site !== 'cross-site' && (origin === undefined || isLoopbackOrigin(origin));
  if (!isOurs) throw forbidden();
}

function isLoopbackOrigin(origin: string): boolean {
  const host = /^https?:\/\/(.+)$/i.exec(origin)?.[1];
  return isLoopback(host);
}

function isLoopback(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i.test(host);
}

function forbidden(): Problem {
  return new Problem('forbidden', {
    detail:
      'Without an API key only programs and pages of this machine may call, by a loopback address. ' +
      'Set SPILLWAY_API_KEY, and send it, to call from anywhere else.',
  });
}
