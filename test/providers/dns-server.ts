import dgram from 'node:dgram';
import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';

import { AUTHORITATIVE_ANSWER, decode, encode, type Answer, type Packet } from 'dns-packet';
import { onTestFinished } from 'vitest';

export interface DnsServer {
  /** Asks this server, and nobody else, for all addresses of a name. Nothing is cached. */
  readonly lookup: (hostname: string) => Promise<LookupAddress[]>;
  /** How often somebody asked. */
  readonly lookups: () => number;
}

/** A real name server for one test. Its n-th answer to whatever name holds the n-th addresses; the last ones stay. */
export async function dnsServer(
  ...answers: readonly [readonly string[], ...(readonly string[])[]]
): Promise<DnsServer> {
  let lookups = 0;
  const port = await answerQuestions((type) => {
    // A lookup asks for both types, IPv4 last.
    const addresses = answers[Math.min(lookups, answers.length - 1)] ?? answers[0];
    if (type === 'A') lookups += 1;
    return addresses.filter((address) => address.includes(':') === (type === 'AAAA'));
  });
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  onTestFinished(() => resolver.cancel());
  return { lookup: (hostname) => lookupBoth(resolver, hostname), lookups: () => lookups };
}

async function lookupBoth(resolver: Resolver, hostname: string): Promise<LookupAddress[]> {
  const none = (): string[] => [];
  const six = await resolver.resolve6(hostname).catch(none);
  const four = await resolver.resolve4(hostname).catch(none);
  return [...six.map((address) => ({ address, family: 6 })), ...four.map((address) => ({ address, family: 4 }))];
}

async function answerQuestions(addressesOf: (type: 'A' | 'AAAA') => readonly string[]): Promise<number> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (message, { port, address }) => {
    const query = decode(message);
    socket.send(encode(replyTo(query, addressesOf)), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  return socket.address().port;
}

function replyTo(query: Packet, addressesOf: (type: 'A' | 'AAAA') => readonly string[]): Packet {
  const [question] = query.questions ?? [];
  if (question?.type !== 'A' && question?.type !== 'AAAA') throw new Error('a lookup asks for addresses only');
  const { name, type } = question;
  const answers = addressesOf(type).map((data): Answer => ({ name, type, ttl: 0, data }));
  return { type: 'response', id: query.id ?? 0, flags: AUTHORITATIVE_ANSWER, questions: [question], answers };
}
