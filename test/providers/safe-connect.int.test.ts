import type { LookupAddress } from 'node:dns';
import net from 'node:net';
import os from 'node:os';

import { Agent, buildConnector, request } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';

import type { LookupAll } from '../../src/providers/public-lookup.ts';
import { createSafeConnector } from '../../src/providers/safe-connect.ts';
import { dnsServer } from './dns-server.ts';

const refused = { name: 'HostileUrlError', rule: 'address' };
/** In a block of IPv6 that nobody has been given: it passes for public, and nothing of ours can be behind it. */
const publicAddress = '3000::1';

const hasIpv6 = Object.values(os.networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

describe('a literal, which Node never looks up', () => {
  const literals = [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '0',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[0:0:0:0:0:ffff:7f00:1]',
    '%31%32%37.0.0.1',
  ];
  const reachable = literals.filter((literal) => hasIpv6 || !literal.startsWith('['));
  test.each(reachable)('%s is refused, and would have been reached', async (literal) => {
    const { port, connections } = await loopback();
    const safe = new Agent({ connect: createSafeConnector({ connectMs: 1_000 }) });
    await expect(request(`http://${literal}:${port}/`, { dispatcher: safe })).rejects.toMatchObject(refused);
    expect(connections()).toBe(0);
    await expect(request(`http://${literal}:${port}/`)).resolves.toMatchObject({ statusCode: 200 });
    expect(connections()).toBe(1);
  });

  test('names of this machine are refused unasked', async () => {
    let lookups = 0;
    const lookup: LookupAll = async () => {
      lookups += 1;
      return [{ address: publicAddress, family: 6 }];
    };
    for (const host of ['localhost', 'localhost.', 'postgres', 'metadata.google.internal', '127.1', '0x7f.1'])
      await expect(dial(createSafeConnector({ connectMs: 1_000, lookup }), host)).rejects.toMatchObject(refused);
    expect(lookups).toBe(0);
  });
});

describe('a name', () => {
  test('that turns private after it was looked at is refused, and asked about once for each connection', async () => {
    const { port, connections } = await loopback();
    const dns = await dnsServer([publicAddress], ['127.0.0.1']);
    const connect = createSafeConnector({ connectMs: 200, lookup: dns.lookup });
    await expect(dial(connect, 'rebind.example', port)).rejects.not.toMatchObject(refused);
    expect(dns.lookups()).toBe(1);
    await expect(dial(connect, 'rebind.example', port)).rejects.toMatchObject(refused);
    expect([dns.lookups(), connections()]).toEqual([2, 0]);
  });

  test('of one public and one private address is refused, in either order', async () => {
    const { port, connections } = await loopback();
    for (const addresses of [
      [publicAddress, '127.0.0.1'],
      ['::1', '8.8.8.8'],
      ['8.8.8.8', '169.254.169.254'],
    ]) {
      const dns = await dnsServer(addresses);
      const connect = createSafeConnector({ connectMs: 1_000, lookup: dns.lookup });
      await expect(dial(connect, 'both.example', port)).rejects.toMatchObject(refused);
      expect(dns.lookups()).toBe(1);
    }
    expect(connections()).toBe(0);
  });

  test('is what the attack needs: who checks first and looks up again connects to this machine', async () => {
    const { port, connections } = await loopback();
    const dns = await dnsServer([publicAddress], ['127.0.0.1']);
    expect(await dns.lookup('rebind.example')).toEqual([{ address: publicAddress, family: 6 }]);
    await dial(naiveConnector(dns.lookup), 'rebind.example', port);
    expect(connections()).toBe(1);
  });

  test('without any address, or of none that can be read, is not dialled', async () => {
    const connectTo = (addresses: LookupAddress[]) =>
      dial(createSafeConnector({ connectMs: 1_000, lookup: async () => addresses }), 'vendor.example');
    await expect(connectTo([])).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(connectTo([{ address: '127.1', family: 4 }])).rejects.toMatchObject(refused);
    await expect(connectTo([{ address: 'vendor.example', family: 0 }])).rejects.toMatchObject(refused);
  });

  test('that nobody resolves in time is not waited for', async () => {
    const connect = createSafeConnector({ connectMs: 50, lookup: () => new Promise(() => {}) });
    await expect(dial(connect, 'vendor.example')).rejects.toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' });
  });

  test('whose lookup fails tells why', async () => {
    const failing = Object.assign(new Error('no'), { code: 'EAI_AGAIN' });
    const connect = createSafeConnector({ connectMs: 50, lookup: () => Promise.reject(failing) });
    await expect(dial(connect, 'vendor.example')).rejects.toBe(failing);
  });
});

describe('the configured host', () => {
  test('may be private, with exactly its port', async () => {
    const { port, connections } = await loopback();
    const neighbour = await loopback();
    const connect = createSafeConnector({ connectMs: 1_000, ownHost: `127.0.0.1:${port}` });
    await dial(connect, '127.0.0.1', port);
    await expect(dial(connect, '127.0.0.1', neighbour.port)).rejects.toMatchObject(refused);
    await expect(dial(connect, 'localhost', port)).rejects.toMatchObject(refused);
    expect([connections(), neighbour.connections()]).toEqual([1, 0]);
  });

  test('that is not named exempts nobody', async () => {
    const { port } = await loopback();
    const connect = createSafeConnector({ connectMs: 1_000 });
    await expect(dial(connect, '127.0.0.1', port)).rejects.toMatchObject(refused);
  });
});

/** Connects as undici's pools do, and hangs up. */
function dial(connect: buildConnector.connector, hostname: string, port = 9): Promise<void> {
  const host = `${hostname}:${port}`;
  return new Promise((resolve, reject) => {
    connect({ hostname, host, protocol: 'http:', port: String(port) }, (error, socket) => {
      socket?.destroy();
      if (error) reject(error);
      else resolve();
    });
  });
}

/** What the safe connector would be without its checks. */
function naiveConnector(lookup: LookupAll): buildConnector.connector {
  return buildConnector({
    lookup(hostname, _options, callback) {
      const answer = (found: readonly LookupAddress[] | Error): void => {
        if (found instanceof Error) callback(found, '');
        else callback(null, [...found]);
      };
      lookup(hostname).then(answer, answer);
    },
  });
}

/** Listens on every address of this machine and counts who gets through. */
async function loopback(): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the server has no port');
  return { port: address.port, connections: () => connections };
}
