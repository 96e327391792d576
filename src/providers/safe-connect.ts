import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';

import { buildConnector } from 'undici';

import { HostileUrlError } from './hostile-url.ts';
import { isPublicAddress, isPublicHost } from './public-address.ts';
import { createPublicLookup, type LookupAll } from './public-lookup.ts';

export interface SafeConnectorSettings {
  /** For the resolving, the connection and the handshake together. */
  readonly connectMs: number;
  /** Host and port that the operator configured: exempt, because the operator chose it. */
  readonly ownHost?: string | undefined;
  /** All addresses of a name; tests pass their own. */
  readonly lookup?: LookupAll | undefined;
}

/**
 * Makes the `connect` of an undici pool that dials the open internet only. It refuses with a `HostileUrlError`. Both
 * checks are needed for every connection: Node asks no `lookup` for an address literal, and a name may mean something
 * else than it did a moment ago (reference on reliability, section 2.4).
 */
export function createSafeConnector(settings: SafeConnectorSettings): buildConnector.connector {
  const timeout = settings.connectMs;
  const connectOwn = buildConnector({ timeout });
  const connectPublic = buildConnector({ timeout, lookup: publicOnly(settings.lookup ?? lookupAll) });
  return function connect(options, callback) {
    if (options.host !== undefined && options.host === settings.ownHost) connectOwn(options, callback);
    else if (isPublicHost(options.hostname)) connectPublic(options, callback);
    else process.nextTick(callback, new HostileUrlError('address'), null);
  };
}

/** Node connects to the addresses that this returns and asks nobody again, so they are the ones that were checked. */
function publicOnly(lookup: LookupAll): LookupFunction {
  return function lookupPublic(hostname, options, callback) {
    const answer = (found: Addresses | Error): void => {
      if (found instanceof Error) callback(found, '');
      else if (options.all) callback(null, found);
      else callback(null, found[0].address, found[0].family);
    };
    lookup(hostname).then(assertPublic).then(answer, answer);
  };
}

type Addresses = [LookupAddress, ...LookupAddress[]];

/** One private address among public ones is enough: which of them is dialled is the name server's choice. */
function assertPublic([first, ...others]: readonly LookupAddress[]): Addresses {
  if (!first) throw Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' });
  const addresses: Addresses = [first, ...others];
  if (!addresses.every(({ address }) => isPublicAddress(address))) throw new HostileUrlError('address');
  return addresses;
}

/** One for the process, so that its bounds are the process's. */
const lookupAll = createPublicLookup();
