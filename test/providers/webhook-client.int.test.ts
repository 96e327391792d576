import type net from 'node:net';
import tls from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { checkUrl } from '../../src/providers/hostile-url.ts';
import {
  createWebhookClient,
  type WebhookClientSettings,
  webhookUrlPolicy,
} from '../../src/providers/webhook-client.ts';
import { dnsServer } from './dns-server.ts';
import {
  cutShort,
  deadOrigin,
  drip,
  dripHead,
  flood,
  mutePeer,
  reset,
  silence,
  stall,
  stubVendor,
  text,
} from './stub-vendor.ts';

const own = webhookUrlPolicy({ privateAllowed: true });
const strict = webhookUrlPolicy({ privateAllowed: false });
const timeouts = { connectMs: 1_000, totalMs: 1_500, bodyMs: 200 };
const body = Buffer.from('{"type":"video.completed"}');

/** Of `localhost`, vouched for by itself, for a hundred years: it opens nothing. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5+EOpSZABy8N/uQD
VPa/nrLMEUD+VY2udCj3lDZZGTOhRANCAARrtwLdvvbSSzCpmNujcNmnFMXBVQ6b
V6YpZQsR9LaD+wuESrylxInh3cgBqHwNbFjVTNpIhevuoZXPnLU+zPwE
-----END PRIVATE KEY-----
`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUZ8X65rQdMZvKgndZjd4GTDki18swCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTIwMjY0MloYDzIxMjYxMDI4
MjAyNjQyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARrtwLdvvbSSzCpmNujcNmnFMXBVQ6bV6YpZQsR9LaD+wuESrylxInh
3cgBqHwNbFjVTNpIhevuoZXPnLU+zPwEo1MwUTAdBgNVHQ4EFgQUvThoz8eynqzq
nZjd0BD9OvVKZa0wHwYDVR0jBBgwFoAUvThoz8eynqzqnZjd0BD9OvVKZa0wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBuqkDkX2l/Oc9ewKMWu+g5
2kG0iJsa/ZEJj3wBww/TSQIhAP9OEvmp+HK4/iZsrjyjvLC3gCmhMLIxGCqlmsmm
yJGY
-----END CERTIFICATE-----
`;

function clientOf(settings: Partial<WebhookClientSettings> = {}) {
  const post = createWebhookClient({ policy: own, timeouts, ...settings });
  return (url: string) => post({ url, headers: { 'webhook-id': 'evt_1' }, body });
}

describe('a try', () => {
  test('is one POST of the body with its headers, and tells the status and the beginning of the answer', async () => {
    const { origin, received } = await stubVendor(text(200, 'thanks'));
    expect(await clientOf()(`${origin}/hook?tenant=1`)).toEqual({ kind: 'answered', status: 200, text: 'thanks' });
    expect(received).toMatchObject([{ method: 'POST', url: '/hook?tenant=1', body: body.toString() }]);
    expect(received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': 'evt_1',
      'user-agent': 'spillway-webhooks/1',
    });
    expect(received[0]?.headers).not.toHaveProperty('authorization');
  });

  test.each([301, 302, 307, 308])('follows no redirect: %i', async (status) => {
    const elsewhere = await stubVendor(text(200, 'no'));
    const { origin } = await stubVendor(text(status, '', { location: `${elsewhere.origin}/latest/meta-data/` }));
    expect(await clientOf()(origin)).toMatchObject({ kind: 'answered', status });
    expect(elsewhere.received).toEqual([]);
  });

  test('reads Retry-After in either form', async () => {
    const date = new Date(Date.now() + 120_000).toUTCString();
    for (const value of ['120', date]) {
      const { origin } = await stubVendor(text(503, '', { 'retry-after': value }));
      const reply = await clientOf()(origin);
      expect(reply.kind === 'answered' && reply.retryAfterMs).toBeGreaterThan(115_000);
    }
    const { origin } = await stubVendor(text(503, '', { 'retry-after': 'soon' }));
    expect(await clientOf()(origin)).not.toHaveProperty('retryAfterMs');
  });
});

describe('a receiver that', () => {
  test.each([
    ['sends without an end', flood],
    ['drips', drip],
    ['stalls after its head', stall],
    ['breaks off after its head', cutShort],
  ])('%s has answered, and is not listened to', async (_what, reply) => {
    const { origin } = await stubVendor(reply);
    const answer = await clientOf()(origin);
    expect(answer).toMatchObject({ kind: 'answered', status: 200 });
    const { text: said = '' } = answer.kind === 'answered' ? answer : {};
    expect(said.length).toBeLessThanOrEqual(limits.webhookAnswerBytesMax);
  });

  test.each([
    ['says nothing', silence, /^timeout$/],
    ['never ends its head', dripHead, /^timeout$/],
    ['hangs up', reset, /^(econnreset|und_err_socket)$/],
  ])('%s has not answered', async (_what, reply, code) => {
    const { origin } = await stubVendor(reply);
    const answer = await clientOf()(origin);
    expect(answer).toEqual({ kind: 'no_answer', code: expect.stringMatching(code) });
  });

  test('is not there, or does not speak TLS', async () => {
    expect(await clientOf()(await deadOrigin())).toEqual({ kind: 'no_answer', code: 'econnrefused' });
    const { port } = await mutePeer();
    expect(await clientOf({ timeouts: { ...timeouts, connectMs: 200 } })(`https://127.0.0.1:${port}/`)).toMatchObject({
      kind: 'no_answer',
    });
  });

  test('has a certificate that nobody vouches for is sent nothing', async () => {
    let bytes = 0;
    const server = tls.createServer({ key, cert }, (socket) => socket.on('data', (chunk) => (bytes += chunk.length)));
    server.on('tlsClientError', () => undefined);
    const port = await listening(server);
    expect(await clientOf()(`https://localhost:${port}/`)).toMatchObject({ kind: 'no_answer' });
    expect(bytes).toBe(0);
  });
});

/** What shows in the text of a URL, and by which rule it is refused. */
const hostile: readonly (readonly [string, string])[] = [
  ['http://example.com/hook', 'scheme'],
  ['ftp://example.com/', 'scheme'],
  ['file:///etc/passwd', 'scheme'],
  ['gopher://example.com:70/_POST', 'scheme'],
  ['unix:/var/run/docker.sock', 'scheme'],
  ['data:text/plain,hello', 'scheme'],
  ['javascript:alert(1)', 'scheme'],
  ['https://user:password@example.com/', 'credentials'],
  ['https://user@example.com/', 'credentials'],
  ...[22, 25, 80, 5_432, 7_233, 8_443].map((port) => [`https://example.com:${port}/`, 'port'] as const),
  ['https://127.0.0.1/', 'address'],
  ['https://127.1/', 'address'],
  ['https://2130706433/', 'address'],
  ['https://0x7f000001/', 'address'],
  ['https://0177.0.0.1/', 'address'],
  ['https://0/', 'address'],
  ['https://①②⑦.⓪.⓪.①/', 'address'],
  ['https://%31%32%37.0.0.1/', 'address'],
  ['https://[::1]/', 'address'],
  ['https://[::]/', 'address'],
  ['https://[::ffff:127.0.0.1]/', 'address'],
  ['https://[64:ff9b::7f00:1]/', 'address'],
  ['https://[2002:7f00:1::]/', 'address'],
  ['https://[fe80::1]/', 'address'],
  ['https://[fc00::1]/', 'address'],
  ['https://10.0.0.1/', 'address'],
  ['https://172.16.0.1/', 'address'],
  ['https://192.168.1.1/', 'address'],
  ['https://169.254.169.254/latest/meta-data/', 'address'],
  ['https://168.63.129.16/', 'address'],
  ['https://localhost/', 'address'],
  ['https://localhost./', 'address'],
  ['https://postgres/', 'address'],
  ['https://metadata.google.internal/', 'address'],
  [`https://example.com/${'a'.repeat(3_000)}`, 'length'],
  ['example.com/hook', 'unparsable'],
];

describe('a URL that leads inside', () => {
  test.each(hostile)('%s is refused, when it is named and when it is called', async (url, rule) => {
    expect(() => checkUrl(url, strict)).toThrow(`the rule '${rule}'`);
    expect(await clientOf({ policy: strict })(url)).toEqual({ kind: 'no_answer', code: `url_${rule}` });
  });

  // On this machine's port nobody could listen on 443: the port is let through, and everything else is as in production.
  const anyPort = { ...strict, defaultPortOnly: false };

  test.each([
    ['a name that was made for it', ['127.0.0.1']],
    ['one private address among public ones', ['8.8.8.8', '127.0.0.1']],
    ['an address of IPv6 that is one of IPv4', ['::ffff:127.0.0.1']],
    ['the metadata service', ['169.254.169.254']],
  ])('%s is found out at the connect: not one connection', async (_what, addresses) => {
    const canary = await mutePeer();
    const { lookup } = await dnsServer(addresses);
    const post = clientOf({ policy: anyPort, lookup });
    expect(await post(`https://127-0-0-1.example.com:${canary.port}/`)).toEqual({
      kind: 'no_answer',
      code: 'url_address',
    });
    expect(canary.connections()).toBe(0);
  });

  test('a name that turns private after it was looked at is refused at the next connection', async () => {
    const canary = await mutePeer();
    const dns = await dnsServer(['3000::1'], ['127.0.0.1']);
    const post = clientOf({ policy: anyPort, lookup: dns.lookup, timeouts: { ...timeouts, connectMs: 200 } });
    const url = `https://rebind.example.com:${canary.port}/`;
    expect(await post(url)).toMatchObject({ kind: 'no_answer', code: expect.not.stringMatching(/^url_/) });
    expect(await post(url)).toEqual({ kind: 'no_answer', code: 'url_address' });
    expect(canary.connections()).toBe(0);
  });
});

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
