import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';

import { limits } from '../domain/limits/limits.ts';

/** All addresses of a name. Rejects with an error that has a `code`. */
export type LookupAll = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface LookupSettings {
  /** Asks for one name. Tests pass their own. */
  readonly ask?: LookupAll;
  /** Under way at once. */
  readonly atOnceMax?: number;
  /** For one name, with its time in line. */
  readonly waitMsMax?: number;
}

/**
 * Resolves names that somebody else has given us, and whose name servers may be silent. Not by `getaddrinfo`, which holds a
 * thread of the process for as long as they are: two such names would stall every other lookup. Each name has sockets of
 * its own for a few seconds; so many are asked for at once, and the others stand in line, each for no longer than that.
 */
export function createPublicLookup(settings: LookupSettings = {}): LookupAll {
  const { ask = askNameServers, atOnceMax = limits.lookupsAtOnceMax, waitMsMax = limits.lookupMsMax } = settings;
  const line: (() => void)[] = [];
  let taken = 0;

  return async (hostname) => {
    const deadline = performance.now() + waitMsMax;
    if (taken < atOnceMax) taken += 1;
    else await new Promise<void>((resolve) => line.push(resolve));
    try {
      const leftMs = deadline - performance.now();
      // Whoever stood in line for so long has nobody any more who waits for it.
      if (leftMs <= 0) throw lookupError('ETIMEOUT');
      return await withinTime(ask(hostname), leftMs);
    } finally {
      const next = line.shift();
      if (next) next();
      else taken -= 1;
    }
  };
}

async function withinTime<Result>(work: Promise<Result>, waitMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(lookupError('ETIMEOUT')), waitMs);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** IPv4 first, which is what most machines can reach. One kind is enough: the other one may well not exist. */
async function askNameServers(hostname: string): Promise<readonly LookupAddress[]> {
  const resolver = new Resolver({ timeout: limits.lookupTryMsMax, tries: 1 });
  const timer = setTimeout(() => resolver.cancel(), limits.lookupMsMax);
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const addresses = [...addressesOf(four, 4), ...addressesOf(six, 6)];
    if (addresses.length === 0 && four.status === 'rejected') throw four.reason;
    return addresses;
  } finally {
    clearTimeout(timer);
  }
}

function addressesOf(answer: PromiseSettledResult<readonly string[]>, family: 4 | 6): readonly LookupAddress[] {
  return answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : [];
}

function lookupError(code: string): Error {
  return Object.assign(new Error('the name was not resolved in time'), { code });
}
