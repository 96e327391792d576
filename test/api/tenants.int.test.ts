import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newDeliveryId, newEndpointId } from '../../src/api/webhooks/webhook-request.ts';
import { insertTest } from '../../src/db/webhooks/log.ts';
import { listRoutes } from '../support/contract-routes.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';
import { type IdRoute, idRoutesOf, pathWith, type TenantIds } from './foreign-ids.ts';
import { makeTenant, type TestKey } from './make-tenant.ts';

const staticKey = 's'.repeat(40);
let bench: ApiBench;
let acme: TestKey;
let other: TestKey;
let ids: TenantIds;
let nobodys: TenantIds;
beforeAll(async () => {
  bench = await openApiBench({ apiKey: staticKey });
  acme = await makeTenant(bench, 'acme');
  other = await makeTenant(bench, 'other');
  ids = await madeFor(acme);
  nobodys = { video: `video_${uuidv7()}`, webhookEndpoint: newEndpointId(), webhookDelivery: newDeliveryId() };
});
afterAll(() => bench.close());

async function madeFor(key: TestKey): Promise<TenantIds> {
  const { id: video } = await (await bench.post({ prompt: 'a fox', user: 'ann' }, key.headers)).json();
  const wish = { url: 'https://hooks.example.com/spillway', events: ['video.completed'] };
  const made = await send({ method: 'POST', path: '/v1/webhook_endpoints', key, body: wish });
  const { id: webhookEndpoint } = await made.json();
  const webhookDelivery = newDeliveryId();
  await insertTest(bench.database.pool, { id: webhookDelivery, tenant: 'acme', endpoint: webhookEndpoint });
  return { video, webhookEndpoint, webhookDelivery };
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly key: Pick<TestKey, 'headers'>;
  readonly body?: unknown;
}

function send({ method, path, key, body }: Sent): Promise<Response> {
  const isRead = method === 'GET' || method === 'HEAD';
  return fetch(`${bench.url}${path}`, {
    method,
    headers: { ...key.headers, ...(!isRead && { 'content-type': 'application/json' }) },
    ...(!isRead && { body: JSON.stringify(body ?? { description: 'mine now' }) }),
  });
}

/** What an answer tells, without what is of this one answer. */
async function told(response: Response): Promise<unknown> {
  const { instance: _instance, request_id: _requestId, ...body } = await response.json();
  return { status: response.status, body };
}

/** Everything that the tenant's rows say, as it must be afterwards too. */
async function rowsOf(tenant: string): Promise<unknown> {
  const { rows } = await bench.database.pool.query(
    `SELECT (SELECT jsonb_agg(to_jsonb(jobs) ORDER BY id) FROM jobs WHERE tenant = $1) AS jobs,
            (SELECT jsonb_agg(to_jsonb(e) ORDER BY id) FROM webhook_endpoints e WHERE tenant = $1) AS endpoints,
            (SELECT jsonb_agg(to_jsonb(d) ORDER BY id) FROM webhook_deliveries d WHERE tenant = $1) AS deliveries,
            (SELECT count(*) FROM mailbox) AS mail`,
    [tenant],
  );
  return rows[0];
}

describe('what is another tenant’s is not there', () => {
  test('on every route that names something of a tenant’s: as if it had never been', async () => {
    const routes: readonly IdRoute[] = idRoutesOf(bench);
    expect(routes.length).toBeGreaterThan(4);
    const before = await rowsOf('acme');
    for (const route of routes) {
      for (const key of [other, { headers: { authorization: `Bearer ${staticKey}` } }]) {
        const { method } = route;
        const foreign = await told(await send({ method, path: pathWith(route, ids), key }));
        const missing = await told(await send({ method, path: pathWith(route, nobodys), key }));
        expect({ route, ...Object(foreign) }).toMatchObject({ route, status: 404 });
        expect({ route, foreign }).toEqual({ route, foreign: missing });
      }
    }
    expect(await rowsOf('acme')).toEqual(before);
  });

  test('and is there for its own', async () => {
    for (const path of [
      `/v1/videos/${ids.video}`,
      `/v1/videos/${ids.video}/timeline`,
      `/v1/webhook_endpoints/${ids.webhookEndpoint}`,
      `/v1/webhook_deliveries/${ids.webhookDelivery}`,
    ])
      expect([path, (await bench.get(path, acme.headers)).status]).toEqual([path, 200]);
  });

  test('in no list', async () => {
    const lists = listRoutes(bench.routes).filter((line) => /^get \/v1\/(videos|webhook_endpoints)$/.test(line));
    expect(lists.length).toBeGreaterThan(0);
    for (const line of lists) {
      const path = line.split(' ')[1] ?? '';
      const [own, foreign] = await Promise.all([bench.get(path, acme.headers), bench.get(path, other.headers)]);
      expect([path, (await own.json()).data.length, (await foreign.json()).data]).toEqual([path, 1, []]);
    }
  });

  test('as the end of a page', async () => {
    const after = async (id: string) => await told(await bench.get(`/v1/videos?after=${id}`, other.headers));
    expect(await after(ids.video)).toEqual(await after(nobodys.video));
  });

  test('in what a tenant used', async () => {
    const usageOf = async (key: TestKey) =>
      JSON.stringify((await (await bench.get('/v1/usage', key.headers)).json()).data);
    expect(await usageOf(acme)).not.toBe(await usageOf(await makeTenant(bench, 'idle')));
    expect(await usageOf(other)).toBe(await usageOf(await makeTenant(bench, 'idle-too')));
  });

  test('for an upload that a request names', async () => {
    const wish = { content_type: 'image/png', bytes: 10 };
    const upload = await (await send({ method: 'POST', path: '/v1/uploads', key: acme, body: wish })).json();
    const answers = [];
    for (const id of [upload.id, `upload_${uuidv7()}`])
      answers.push(await told(await bench.post({ prompt: 'a fox', input_reference: id }, other.headers)));
    expect(answers[0]).toMatchObject({ status: 422 });
    expect(answers[0]).toEqual(answers[1]);
  });
});

test('the same idempotency key of two tenants is two keys', async () => {
  const post = (key: TestKey) => bench.post({ prompt: 'a fox' }, { ...key.headers, 'idempotency-key': 'the-same' });
  const [first, second] = [await post(acme), await post(other)];
  expect([first.status, second.status, second.headers.get('idempotency-replayed')]).toEqual([202, 202, null]);
  const [mine, theirs] = [await first.json(), await second.json()];
  expect(theirs.id).not.toBe(mine.id);
});

test('one user of two tenants is two users: neither fills the other’s place', async () => {
  const crowded = await makeTenant(bench, 'crowded', { queued_max: 1 });
  const roomy = await makeTenant(bench, 'roomy');
  const body = { prompt: 'a fox', user: 'bob' };
  const statuses = [];
  for (const key of [crowded, crowded, roomy, roomy]) statuses.push((await bench.post(body, key.headers)).status);
  expect(statuses).toEqual([202, 429, 202, 202]);
});
