import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWebhookClient, webhookUrlPolicy } from '../../src/providers/webhook-client.ts';
import { box } from '../webhooks/webhook-bench.ts';
import { hang, type Receiver, startReceiver, status } from '../webhooks/receiver.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

let bench: ApiBench;
let strict: ApiBench;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
  const urlPolicy = webhookUrlPolicy({ privateAllowed: true });
  const timeouts = { connectMs: 500, totalMs: 700, bodyMs: 100 };
  const post = createWebhookClient({ policy: urlPolicy, timeouts });
  [bench, strict] = await Promise.all([
    openApiBench({ webhooks: { box, urlPolicy, post }, publicUrl: 'https://videos.example.com' }),
    openApiBench(),
  ]);
});
afterAll(async () => {
  await receiver.close();
  await Promise.all([bench.close(), strict.close()]);
});

// oxlint-disable-next-line max-params -- a request line, its body, and seldom another API.
async function call(method: string, path: string, body?: unknown, api = bench): Promise<Response> {
  const init =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  return await fetch(`${api.url}/v1${path}`, { method, ...init });
}

// What the API answers is for the assertions to look through.
type Json = ReturnType<typeof JSON.parse>;

async function answered(expected: number, response: Promise<Response>): Promise<Json> {
  const answer = await response;
  const text = await answer.text();
  expect([answer.status, text]).toEqual([expected, expect.anything()]);
  return JSON.parse(text);
}

const endpointAt = (url: string, more: object = {}) =>
  answered(201, call('POST', '/webhook_endpoints', { url, ...more }));

describe('an endpoint', () => {
  test('is made with a secret that is shown once, and kept sealed', async () => {
    const made = await endpointAt('https://hooks.example.com/spillway', { description: 'production' });
    expect(made).toMatchObject({
      id: expect.stringMatching(/^whe_[0-9a-f]{32}$/),
      object: 'webhook_endpoint',
      url: 'https://hooks.example.com/spillway',
      events: ['video.in_progress', 'video.completed', 'video.failed', 'video.cancelled'],
      enabled: true,
      disabled_reason: null,
      secret: expect.stringMatching(/^whsec_/),
    });
    const read = await answered(200, call('GET', `/webhook_endpoints/${made.id}`));
    const { secret, ...rest } = made;
    expect(read).toEqual(rest);
    const { rows } = await bench.database.pool.query('SELECT * FROM webhook_endpoints WHERE id = $1', [made.id]);
    expect(JSON.stringify(rows)).not.toContain(secret.slice('whsec_'.length));
  });

  test('is changed, disabled, enabled and deleted', async () => {
    const { id } = await endpointAt('https://hooks.example.com/a');
    const path = `/webhook_endpoints/${id}`;
    const changed = await answered(200, call('PATCH', path, { events: ['video.failed'], enabled: false }));
    expect(changed).toMatchObject({
      url: 'https://hooks.example.com/a',
      events: ['video.failed'],
      enabled: false,
      disabled_reason: 'owner',
    });
    expect(await answered(200, call('PATCH', path, {}))).toEqual(changed);
    expect(await answered(200, call('PATCH', path, { enabled: true }))).toMatchObject({
      enabled: true,
      disabled_at: null,
    });
    expect(await answered(200, call('DELETE', path))).toEqual({
      id,
      object: 'webhook_endpoint.deleted',
      deleted: true,
    });
    for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', {}]] as const)
      expect(await answered(404, call(method, path, body))).toMatchObject({ code: 'webhook_endpoint_not_found' });
    const { rows } = await bench.database.pool.query('SELECT url, secret FROM webhook_endpoints WHERE id = $1', [id]);
    expect(rows).toEqual([{ url: '', secret: '' }]);
  });

  test.each([
    [400, {}, '/url'],
    [400, { url: 5 }, '/url'],
    [400, { url: 'https://a.example', events: [] }, '/events'],
    [400, { url: 'https://a.example', events: ['video.completed', 'video.completed'] }, '/events'],
    [400, { url: 'https://a.example', events: ['video.exploded'] }, '/events/0'],
    [400, { url: 'https://a.example', description: 'x'.repeat(257) }, '/description'],
    [400, { url: 'https://a.example', secret: 'whsec_mine' }, '/secret'],
    [400, { url: 'https://a.example\u0000' }, '/url'],
    [422, { url: 'http://a.example' }, '/url'],
    [422, { url: 'https://127.0.0.1/' }, '/url'],
    [422, { url: 'https://[::ffff:7f00:1]/' }, '/url'],
    [422, { url: 'https://metadata.google.internal/' }, '/url'],
    [422, { url: 'https://a.example:5432/' }, '/url'],
    [422, { url: 'https://me:secret@a.example/' }, '/url'],
    [422, { url: 'file:///etc/passwd' }, '/url'],
    [422, { url: 'no url' }, '/url'],
  ])('of a body that is wrong is a %i, and nothing is kept', async (code, body, pointer) => {
    const problem = await answered(code, call('POST', '/webhook_endpoints', body, strict));
    expect(problem.errors[0].pointer).toBe(pointer);
    expect(JSON.stringify(problem)).not.toContain('secret@');
    expect(await strict.count('webhook_endpoints')).toBe(0);
  });

  test('of a bad id is a 400, and a method that it does not take a 405', async () => {
    expect(await answered(400, call('GET', '/webhook_endpoints/whe_1'))).toMatchObject({ code: 'invalid_id' });
    expect(await answered(400, call('GET', '/webhook_deliveries/%00'))).toMatchObject({ code: 'invalid_id' });
    const put = await call('PUT', '/webhook_endpoints');
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
  });

  test('there may be twenty of', async () => {
    const url = 'https://a.example/';
    for (let count = 0; count < 20; count += 1)
      await answered(201, call('POST', '/webhook_endpoints', { url }, strict));
    const problem = await answered(409, call('POST', '/webhook_endpoints', { url }, strict));
    expect(problem).toMatchObject({ code: 'too_many_webhook_endpoints' });
    const first = await answered(200, call('GET', '/webhook_endpoints?limit=15', undefined, strict));
    const rest = await answered(
      200,
      call('GET', `/webhook_endpoints?limit=15&after=${first.last_id}`, undefined, strict),
    );
    expect([first.data.length, first.has_more, rest.data.length, rest.has_more]).toEqual([15, true, 5, false]);
    expect(new Set([...first.data, ...rest.data].map(({ id }: { id: string }) => id)).size).toBe(20);
    for (const query of ['limit=0', 'limit=x', 'limit=1&limit=2', 'after=elsewhere'])
      await answered(400, call('GET', `/webhook_endpoints?${query}`, undefined, strict));
  });

  test('of another tenant is not there', async () => {
    const { id } = await endpointAt('https://hooks.example.com/b');
    await bench.database.pool.query(`INSERT INTO tenants (id) VALUES ('other') ON CONFLICT DO NOTHING`);
    await bench.database.pool.query(`UPDATE webhook_endpoints SET tenant = 'other' WHERE id = $1`, [id]);
    for (const [method, path, body] of [
      ['GET', ''],
      ['PATCH', '', { enabled: false }],
      ['DELETE', ''],
      ['POST', '/rotate_secret'],
      ['POST', '/test'],
      ['GET', '/deliveries'],
    ] as const)
      await answered(404, call(method, `/webhook_endpoints/${id}${path}`, body));
    const { data } = await answered(200, call('GET', '/webhook_endpoints?limit=100'));
    expect(data.map((one: { id: string }) => one.id)).not.toContain(id);
  });
});

describe('a test call', () => {
  test('sends a signed event and answers with what came of it', async () => {
    const made = await endpointAt(`${receiver.origin}/ok`);
    const result = await answered(200, call('POST', `/webhook_endpoints/${made.id}/test`));
    expect(result).toMatchObject({ object: 'webhook_test', delivered: true, status: 204, error: null });
    const [received] = receiver.at('/ok');
    const headers = Object.fromEntries(
      Object.entries(received?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    expect(new Webhook(made.secret).verify(received?.body ?? '', headers)).toMatchObject({ type: 'webhook.test' });
    const logged = await answered(200, call('GET', `/webhook_deliveries/${result.delivery_id}`));
    expect(logged).toMatchObject({ state: 'delivered', tries: 1, video_id: null, log: [{ status: 204 }] });
    await answered(404, call('POST', `/webhook_deliveries/${result.delivery_id}/redeliver`));
  });

  test('tells of a receiver that refuses, and of one that hangs, and tries no second time', async () => {
    const refusing = await endpointAt(receiver.answer('/refuses', status(401)));
    const result = await answered(200, call('POST', `/webhook_endpoints/${refusing.id}/test`));
    expect(result).toMatchObject({ delivered: false, status: 401, excerpt: 'no' });
    const hanging = await endpointAt(receiver.answer('/hangs', hang));
    expect(await answered(200, call('POST', `/webhook_endpoints/${hanging.id}/test`))).toMatchObject({
      delivered: false,
      status: null,
      error: 'timeout',
    });
    const { rows } = await bench.database.pool.query(`SELECT 1 FROM webhook_deliveries WHERE ended_at IS NULL`);
    expect(rows).toEqual([]);
  });
});

describe('a test call that cannot be made', () => {
  test('is refused while two of the tenant are under way', async () => {
    const hanging = await endpointAt(receiver.answer('/both-hang', hang));
    const path = `/webhook_endpoints/${hanging.id}/test`;
    const answers = await Promise.all([1, 2, 3, 4].map(() => call('POST', path)));
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '200', '429', '429']);
    await answered(200, call('POST', path));
  });

  test('says that the secret cannot be read any more, until it is rotated', async () => {
    const { id } = await endpointAt(`${receiver.origin}/sealed`);
    await bench.database.pool.query(`UPDATE webhook_endpoints SET secret = 'gcm:lost:AAAA' WHERE id = $1`, [id]);
    expect(await answered(409, call('POST', `/webhook_endpoints/${id}/test`))).toMatchObject({
      code: 'webhook_secret_unreadable',
    });
    await answered(200, call('POST', `/webhook_endpoints/${id}/rotate_secret`));
    expect(await answered(200, call('POST', `/webhook_endpoints/${id}/test`))).toMatchObject({ delivered: true });
  });
});

describe('a rotation', () => {
  test('shows a new secret once; both sign', async () => {
    const made = await endpointAt(`${receiver.origin}/rotated`);
    const rotated = await answered(200, call('POST', `/webhook_endpoints/${made.id}/rotate_secret`));
    expect(rotated.secret).not.toBe(made.secret);
    expect(rotated.previous_secret_expires_at).toBeGreaterThan(Date.now() / 1_000 + 23 * 3_600);
    await answered(200, call('POST', `/webhook_endpoints/${made.id}/test`));
    expect(String(receiver.at('/rotated')[0]?.headers['webhook-signature']).split(' ')).toHaveLength(2);
  });

  test('makes the secret of the tenant, and tells no more than when', async () => {
    expect(await answered(200, call('GET', '/webhook_secret'))).toMatchObject({ created_at: null });
    const first = await answered(200, call('POST', '/webhook_secret/rotate'));
    expect(first).toMatchObject({ secret: expect.stringMatching(/^whsec_/), previous_secret_expires_at: null });
    const second = await answered(200, call('POST', '/webhook_secret/rotate'));
    expect(second.previous_secret_expires_at).toEqual(expect.any(Number));
    expect(await answered(200, call('GET', '/webhook_secret'))).not.toHaveProperty('secret');
  });
});

describe('the webhook_url of a job', () => {
  const wish = { prompt: 'a fox', model: 'wan-2.6' };

  test('is kept with its request alone, and part of what a key is compared by', async () => {
    const url = `${receiver.origin}/job`;
    const key = { 'idempotency-key': 'webhook-1' };
    const accepted = await answered(202, bench.post({ ...wish, webhook_url: url }, key));
    expect(await answered(202, bench.post({ ...wish, webhook_url: url }, key))).toMatchObject({ id: accepted.id });
    await answered(422, bench.post({ ...wish, webhook_url: `${url}2` }, key));
    expect(JSON.stringify(accepted)).not.toContain(url);
    await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [accepted.id]);
    const { rows } = await bench.database.pool.query('SELECT * FROM webhook_deliveries WHERE job = $1', [accepted.id]);
    expect(rows.filter(({ endpoint }) => endpoint === null)).toMatchObject([
      { kind: 'video.cancelled', state: 'pending' },
    ]);
    expect(JSON.stringify(rows)).not.toContain(url);
  });

  test.each(['https:a.example/x', 'https:/a.example/x', 'https:\\\\a.example\\x', 'HTTPS://A.example/x'])(
    'is kept as the parser writes it, and the job ends: %s',
    async (webhook_url) => {
      const { pool } = strict.database;
      const { id } = await answered(202, strict.post({ ...wish, webhook_url }));
      const { rows: kept } = await pool.query(`SELECT request ->> 'webhook_url' AS url FROM jobs WHERE id = $1`, [id]);
      expect(kept).toEqual([{ url: 'https://a.example/x' }]);
      // What an older version has kept as it came ends as well.
      await pool.query(
        `UPDATE jobs SET request = request || jsonb_build_object('webhook_url', $2::text) WHERE id = $1`,
        [id, webhook_url],
      );
      await pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
      const { rows } = await pool.query('SELECT kind FROM webhook_deliveries WHERE job = $1 AND endpoint IS NULL', [
        id,
      ]);
      expect(rows).toEqual([{ kind: 'video.cancelled' }]);
    },
  );

  test.each(['http://a.example/', 'https://10.0.0.1/', 'https://a.example:22/', 'x'])(
    '%s is refused',
    async (webhook_url) => {
      const before = await strict.count('jobs');
      const problem = await answered(422, strict.post({ ...wish, webhook_url }));
      expect(problem).toMatchObject({ code: 'invalid_webhook_url', errors: [{ pointer: '/webhook_url' }] });
      expect(await strict.count('jobs')).toBe(before);
    },
  );
});

test('the log of an endpoint, and one of its deliveries once more', async () => {
  const { id: endpoint } = await endpointAt('https://hooks.example.com/log', { events: ['video.cancelled'] });
  const videos: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const { id } = await answered(202, bench.post({ prompt: 'a fox', model: 'wan-2.6' }));
    await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
    videos.push(id);
  }
  const page = await answered(200, call('GET', `/webhook_endpoints/${endpoint}/deliveries?limit=2`));
  expect(page.data.map((one: { video_id: string }) => one.video_id)).toEqual(videos.toReversed().slice(0, 2));
  const rest = await answered(
    200,
    call('GET', `/webhook_endpoints/${endpoint}/deliveries?limit=2&after=${page.last_id}`),
  );
  expect(rest).toMatchObject({
    has_more: false,
    data: [{ video_id: videos[0], type: 'video.cancelled', state: 'pending' }],
  });
  const [original] = rest.data;
  const again = await answered(202, call('POST', `/webhook_deliveries/${original.id}/redeliver`));
  expect(again).toMatchObject({
    webhook_id: original.webhook_id,
    redelivery_of: original.id,
    tries: 0,
    state: 'pending',
  });
  expect(again.id).not.toBe(original.id);
  const lines = await Promise.all(
    Array.from({ length: 5 }, () => call('POST', `/webhook_deliveries/${original.id}/redeliver`)),
  );
  expect(lines.map(({ status }) => status)).toEqual(Array(5).fill(409));
  await bench.database.pool.query(`SELECT end_webhook($1, 'failed', 'exhausted')`, [again.id]);
  await answered(202, call('POST', `/webhook_deliveries/${original.id}/redeliver`));
  // Each list goes on by its own ids.
  await answered(400, call('GET', `/webhook_endpoints/${endpoint}/deliveries?after=${endpoint}`));
  await answered(400, call('GET', `/webhook_endpoints?after=${original.id}`));
  expect(await answered(404, call('GET', `/webhook_deliveries/whd_${'0'.repeat(32)}`))).toMatchObject({
    code: 'webhook_delivery_not_found',
  });
});
