import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApns } from '../../examples/mobile-push/apns.ts';
import { createFcm } from '../../examples/mobile-push/fcm.ts';
import { createReceiver } from '../../examples/mobile-push/receiver.ts';
import { claimDelivery } from '../../src/db/webhooks/claims.ts';
import { tryDelivery } from '../../src/webhooks/try-delivery.ts';
import { openWebhookBench, type WebhookBench } from '../webhooks/webhook-bench.ts';

interface Pushed {
  readonly path: string;
  readonly authorization: string;
  readonly body: string;
}

type Play = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

let bench: WebhookBench;
let google: Server;
let apple: Http2Server;
let server: Server;
let endpoint: { id: string; secret: string };
let close: () => void;
let fcmStatus = 200;
let apnsStatus = 200;
const signIns: string[] = [];
const pushed: Pushed[] = [];
const log: string[] = [];
const iphone = 'ab'.repeat(32);

beforeAll(async () => {
  bench = await openWebhookBench();
  const playGoogle: Play = async (request, response) => {
    const body = await text(request);
    if (request.url === '/token') {
      signIns.push(body);
      response.end(JSON.stringify({ access_token: 'access', expires_in: 3_600 }));
      return;
    }
    pushed.push({ path: request.url ?? '', authorization: request.headers.authorization ?? '', body });
    response.writeHead(fcmStatus).end('{}');
  };
  google = createServer((request, response) => void playGoogle(request, response));
  apple = createHttp2Server();
  const playApple = async (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> => {
    const body = await text(stream);
    pushed.push({ path: String(headers[':path']), authorization: String(headers.authorization), body });
    stream.respond({ ':status': apnsStatus });
    stream.end(apnsStatus === 200 ? '' : '{"reason":"Unregistered"}');
  };
  apple.on('stream', (stream, headers) => void playApple(stream, headers));
  const [googleUrl, appleUrl] = [await urlOf(google), await urlOf(apple)];
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  const apns = createApns(
    { keyId: 'KEY', teamId: 'TEAM', topic: 'com.example.app', privateKey: String(ec.privateKey.export(pem)) },
    appleUrl,
  );
  const account = {
    project_id: 'example',
    client_email: 'push@example.iam.gserviceaccount.com',
    private_key: String(rsa.privateKey.export(pem)),
    token_uri: `${googleUrl}/token`,
  };
  server = createServer();
  const url = await urlOf(server);
  endpoint = await bench.addEndpoint({ url: `${url}/spillway` });
  const senders = { ios: apns, android: createFcm(account, googleUrl) };
  server.on('request', createReceiver({ secret: endpoint.secret, senders, log: (line) => log.push(line) }));
  close = () => apns.close();
});
afterAll(async () => {
  close();
  for (const one of [server, google, apple]) one.close();
  server.closeAllConnections();
  google.closeAllConnections();
  await bench.close();
});
beforeEach(() => {
  pushed.length = 0;
  [fcmStatus, apnsStatus] = [200, 200];
});

async function urlOf(one: Server | Http2Server): Promise<string> {
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  const address = one.address();
  const isPort = (given: typeof address): given is AddressInfo => typeof given === 'object' && given !== null;
  return `http://127.0.0.1:${isPort(address) ? address.port : 0}`;
}

/** A job of a phone ends, and what is due is tried. */
async function told(metadata: Record<string, string>) {
  const job = await bench.failJob({ metadata });
  const [delivery] = await bench.deliveries(job);
  return { job, id: delivery?.id ?? '', made: await tryAgain(delivery?.id ?? '') };
}

async function tryAgain(id: string) {
  const claim = await claimDelivery(bench.pool, id);
  if (claim.verdict !== 'go') throw new Error(`not due: ${claim.verdict}`);
  return await tryDelivery(bench.tryDeps, { id, tries: claim.tries });
}

test('a phone of either kind is pushed to, once each', async () => {
  const android = await told({ push_platform: 'android', push_token: 'fcm-token' });
  const ios = await told({ push_platform: 'ios', push_token: iphone });
  expect([android.made.state, ios.made.state]).toEqual(['delivered', 'delivered']);
  expect(pushed.map(({ path }) => path)).toEqual(['/v1/projects/example/messages:send', `/3/device/${iphone}`]);
  expect(pushed[0]?.authorization).toBe('Bearer access');
  expect(JSON.parse(pushed[0]?.body ?? '')).toMatchObject({
    message: { token: 'fcm-token', data: { video_id: android.job, status: 'failed' } },
  });
  expect(pushed[1]?.authorization).toMatch(/^bearer [\w-]+\.[\w-]+\.[\w-]+$/);
  expect(JSON.parse(pushed[1]?.body ?? '')).toMatchObject({
    video_id: ios.job,
    aps: { alert: { title: expect.any(String) } },
  });
  await told({ push_platform: 'android', push_token: 'fcm-token' });
  expect(signIns).toEqual([
    expect.stringContaining('grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer'),
  ]);
});

test('a webhook that comes twice is pushed once', async () => {
  const { id, job } = await told({ push_platform: 'android', push_token: 'fcm-token' });
  await tryDelivery(bench.tryDeps, { id, tries: 0 });
  expect(pushed.filter(({ body }) => body.includes(job))).toHaveLength(1);
});

test('a push that is not taken is tried again by Spillway', async () => {
  fcmStatus = 503;
  const { id, made } = await told({ push_platform: 'android', push_token: 'fcm-token' });
  expect(made).toMatchObject({ state: 'retrying', status: 503 });
  fcmStatus = 200;
  await bench.age(id, 30);
  expect(await tryAgain(id)).toMatchObject({ state: 'delivered' });
  expect(pushed).toHaveLength(2);
});

test('a phone without the app, or without a name, is no reason to try again', async () => {
  fcmStatus = 404;
  apnsStatus = 410;
  expect((await told({ push_platform: 'android', push_token: 'gone' })).made.state).toBe('delivered');
  expect((await told({ push_platform: 'ios', push_token: iphone })).made.state).toBe('delivered');
  expect((await told({ push_platform: 'ios', push_token: '../../secret' })).made.state).toBe('delivered');
  expect((await told({})).made.state).toBe('delivered');
  expect((await told({ push_platform: 'pager', push_token: '1' })).made.state).toBe('delivered');
  expect(pushed).toHaveLength(2);
  expect(log.filter((line) => line.includes('removed the app'))).toHaveLength(3);
});

test('what is not signed with its secret pushes nobody', async () => {
  const { url } = await bench.row<{ url: string }>('SELECT url FROM webhook_endpoints WHERE id = $1', endpoint.id);
  const body = JSON.stringify({
    type: 'video.completed',
    data: { id: 'video_1', metadata: { push_platform: 'android', push_token: 't' } },
  });
  const forged = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(Date.now() / 1_000)),
    'webhook-signature': 'v1,AAAA',
  };
  for (const headers of [{}, forged]) {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
    expect(response.status).toBe(401);
  }
  expect(pushed).toEqual([]);
});
