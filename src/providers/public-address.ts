import { isIP } from 'node:net';

import ipaddr from 'ipaddr.js';

/** Whether a host, as the WHATWG parser writes it, can be on the open internet as far as its text tells. */
export function isPublicHost(hostname: string): boolean {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(bare) === 0 ? isPublicName(bare) : isPublicAddress(bare);
}

/** Whether an address, in full and in plain notation, is one machine's on the open internet. */
export function isPublicAddress(address: string): boolean {
  // The library reads `127.1` and `0x7f000001` too, but a resolver never writes them: whatever does is not trusted.
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed instanceof ipaddr.IPv6 ? parsed.match(globalUnicast) : parsed.toString() !== azureHostService;
}

/**
 * What the library leaves to us. It calls every IPv6 address unicast that stands in no table of its own, such as the
 * IPv4-compatible `::127.0.0.1`; only this block has ever been given out.
 */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/** An address of the open internet that every Azure machine finds its own host behind, credentials included. */
const azureHostService = '168.63.129.16';

function isPublicName(name: string): boolean {
  const labels = name.replace(/\.$/, '').split('.');
  const last = labels.at(-1) ?? '';
  // A name without a dot is a neighbour in the same network, such as `postgres`.
  if (labels.length < 2 || !labels.every((label) => /^[a-z0-9_-]{1,63}$/i.test(label))) return false;
  // Resolvers read `127.1` as an address; the WHATWG parser has made one of it before we see it.
  return !/^(\d+|0x[\da-f]*)$/i.test(last) && !privateSuffixes.has(last.toLowerCase());
}

/** Names that mean something inside a network only (RFC 6761, 6762 appendix G and 8375; ICANN's `internal`). */
const privateSuffixes: ReadonlySet<string> = new Set([
  'arpa',
  'corp',
  'home',
  'internal',
  'intranet',
  'lan',
  'local',
  'localdomain',
  'localhost',
  'private',
]);
