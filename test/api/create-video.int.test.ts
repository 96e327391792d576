import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiBench, openApiBench, planOneTarget } from './api-bench.ts';

let bench: ApiBench;
let png: Buffer;
beforeAll(async () => {
  bench = await openApiBench();
  const create = { width: 64, height: 48, channels: 3, background: 'teal' } as const;
  png = await sharp({ create }).png().toBuffer();
});
afterAll(() => bench.close());

function form(fields: Record<string, string>, files: Record<string, Uint8Array> = {}): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  for (const [name, bytes] of Object.entries(files)) data.append(name, new Blob([Uint8Array.from(bytes)]), 'picture');
  return data;
}

const postForm = (data: FormData, headers = {}) =>
  fetch(`${bench.url}/v1/videos`, { method: 'POST', body: data, headers });
const dataUrl = (bytes: Buffer, type = 'png') => `data:image/${type};base64,${bytes.toString('base64')}`;

/** Sends what is to be refused. The answer is a problem in every form that was promised, and nothing of it stays. */
async function refusalOf(send: () => Promise<Response>) {
  const before = await traces();
  const response = await send();
  const body = await response.json();
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(body).toMatchObject({
    type: `/problems/${body.code}`,
    status: response.status,
    title: expect.any(String),
    instance: '/v1/videos',
    request_id: response.headers.get('x-request-id'),
    error: { message: body.detail, code: body.code },
  });
  expect(await traces()).toEqual(before);
  return { status: response.status, pointer: body.errors?.[0]?.pointer, body };
}

const traces = () =>
  Promise.all([bench.count('jobs'), bench.count('tickets'), bench.count('idempotency_keys'), bench.objects()]);

test('a job is accepted with the whole video object, and told of', async () => {
  const response = await bench.post({ prompt: 'a fox', seconds: '10', metadata: { b: '1', a: '2' } });
  expect(response.status).toBe(202);
  const video = await response.json();
  expect(video).toEqual({
    id: expect.stringMatching(/^video_/),
    client_token: expect.stringMatching(/^spw_job_[\w-]{72}$/),
    object: 'video',
    status: 'queued',
    progress: 0,
    created_at: expect.any(Number),
    completed_at: null,
    expires_at: null,
    model: 'wan-2.6',
    prompt: 'a fox',
    seconds: '10',
    size: '1280x720',
    error: null,
    queue: { position: null, eta_seconds: null, reason: 'waiting_capacity' },
    served_by: null,
    attempts: 0,
    outputs: [],
    cost_usd: null,
    estimated_cost_usd: 0.5,
    requested: null,
    metadata: { a: '2', b: '1' },
  });
  expect(Math.abs(video.created_at - Date.now() / 1_000)).toBeLessThan(5);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(response.headers.get('location')).toBe(`/v1/videos/${video.id}`);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(2);
  expect(bench.told.accepted).toBeGreaterThan(0);
});

test('the form of the client package is taken, with a picture', async () => {
  const response = await postForm(
    form(
      { prompt: 'a fox', seconds: '5', seed: '7', audio: 'true', 'metadata[a]': 'b', model: 'wan-2.6' },
      { input_reference: png },
    ),
  );
  expect(response.status).toBe(202);
  const video = await response.json();
  const { rows } = await bench.database.pool.query('SELECT request, input_image FROM jobs WHERE id = $1', [video.id]);
  expect(rows).toMatchObject([
    { request: { seed: 7, audio: true, metadata: { a: 'b' } }, input_image: `inputs/default/${video.id}.png` },
  ]);
  expect(await bench.objects()).toContain(`inputs/default/${video.id}.png`);
});

test('a picture as a data URL is taken, also one far beyond the limit of plain JSON', async () => {
  const noise = {
    create: {
      width: 400,
      height: 400,
      channels: 3,
      background: 'red',
      noise: { type: 'gaussian', mean: 128, sigma: 60 },
    },
  } as const;
  const large = await sharp(noise).png({ compressionLevel: 0 }).toBuffer();
  expect(large.length).toBeGreaterThan(200_000);
  expect((await bench.post({ prompt: 'p', input_reference: dataUrl(large) })).status).toBe(202);
  expect((await bench.post({ prompt: 'p', input_reference: { image_url: dataUrl(png) } })).status).toBe(202);
  const webp = await sharp(png).webp().toBuffer();
  expect((await postForm(form({ prompt: 'p' }, { input_reference: webp }))).status).toBe(202);
  expect((await postForm(form({ prompt: 'p', 'input_reference[image_url]': dataUrl(png) }))).status).toBe(202);
});

test.each([
  ['no body', undefined, { status: 400 }],
  ['an empty object', {}, { status: 400, pointer: '/prompt' }],
  ['an empty prompt', { prompt: '' }, { status: 400, pointer: '/prompt' }],
  ['an over-long prompt', { prompt: 'x'.repeat(5_001) }, { status: 400, pointer: '/prompt' }],
  ['a huge prompt', { prompt: 'x'.repeat(2_000_000) }, { status: 413 }],
  ['a body over every limit', { prompt: 'x'.repeat(16_000_000) }, { status: 413 }],
  ['a NUL in a value', { prompt: 'a\0b' }, { status: 400, pointer: '/prompt' }],
  ['a NUL in a key', { prompt: 'a', metadata: { 'k\0': 'v' } }, { status: 400, pointer: '/metadata' }],
  ['a NUL in an unknown key', { prompt: 'a', 'x\0': 'v' }, { status: 400 }],
  ['half a surrogate pair', '{"prompt":"\\ud800"}', { status: 400, pointer: '/prompt' }],
  [
    'half a surrogate pair in a key',
    '{"prompt":"a","metadata":{"\\udc00":"b"}}',
    { status: 400, pointer: '/metadata' },
  ],
  ['a wrong type', { prompt: 1 }, { status: 400, pointer: '/prompt' }],
  ['an unknown field', { prompt: 'a', frames: 1 }, { status: 400, pointer: '/frames' }],
  ['provider options', { prompt: 'a', provider_options: {} }, { status: 400, pointer: '/provider_options' }],
  [
    'a webhook to nowhere',
    { prompt: 'a', webhook_url: 'https://127.0.0.1/x' },
    { status: 422, pointer: '/webhook_url' },
  ],
  ['a prototype', '{"prompt":"a","__proto__":{"x":1}}', { status: 400, pointer: '/__proto__' }],
  ['an unknown model', { prompt: 'a', model: 'unknown' }, { status: 422, pointer: '/model' }],
  ['seconds nobody makes', { prompt: 'a', seconds: 7 }, { status: 422, pointer: '/seconds' }],
  ['an infinite number', '{"prompt":"a","max_cost_usd":1e999}', { status: 400, pointer: '/max_cost_usd' }],
  ['no JSON', '{"prompt":', { status: 400 }],
  ['JSON that is no object', '["a"]', { status: 400 }],
  ['deep JSON', `{"prompt":"a","metadata":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, { status: 400 }],
  [
    'a picture that is none',
    { prompt: 'a', input_reference: dataUrl(Buffer.from('GIF89a<script>')) },
    { status: 422, pointer: '/input_reference' },
  ],
  [
    'a picture by a URL of ours',
    { prompt: 'a', input_reference: 'https://127.0.0.1/a.png' },
    { status: 422, pointer: '/input_reference' },
  ],
  [
    'a picture by an id that is none',
    { prompt: 'a', input_reference: { file_id: 'f' } },
    { status: 422, pointer: '/input_reference/file_id' },
  ],
] as const)('refused: %s', async (_name, body, expected) => {
  const send = () => (body === undefined ? fetch(`${bench.url}/v1/videos`, { method: 'POST' }) : bench.post(body));
  expect(await refusalOf(send)).toMatchObject(expected);
});

test('a value that no target can express is answered with those that are allowed', async () => {
  const { status, body } = await refusalOf(() => bench.post({ prompt: 'a', seconds: 7 }));
  expect(status).toBe(422);
  expect(body).toMatchObject({
    code: 'value_not_allowed',
    errors: [{ allowed: [5, 10] }],
    error: { param: 'seconds', type: 'invalid_request_error' },
  });
});

test.each([
  ['text', { 'content-type': 'text/plain' }, 415],
  ['another charset', { 'content-type': 'application/xml' }, 415],
  ['a form that is none', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ['compressed', { 'content-encoding': 'gzip' }, 415],
  ['a form without a boundary', { 'content-type': 'multipart/form-data' }, 400],
  ['a form that breaks off', { 'content-type': 'multipart/form-data; boundary=x' }, 400],
  ['an empty key', { 'idempotency-key': '""' }, 400],
  ['a key with a space', { 'idempotency-key': 'a b' }, 400],
  ['a key that is too long', { 'idempotency-key': 'k'.repeat(256) }, 400],
] as const)('refused by its headers: %s', async (_name, headers, status) => {
  expect(await refusalOf(() => bench.post('{"prompt":"a"}', headers))).toMatchObject({ status });
});

test('forms are refused like JSON, and cost nothing', async () => {
  expect(await refusalOf(() => postForm(form({ prompt: 'a', frames: '1' })))).toMatchObject({
    status: 400,
    pointer: '/frames',
  });
  expect(await refusalOf(() => postForm(form({ prompt: 'a\0' })))).toMatchObject({ status: 400, pointer: '/prompt' });
  expect(await refusalOf(() => postForm(form({ prompt: 'x'.repeat(70_000) })))).toMatchObject({ status: 413 });
  expect(await refusalOf(() => postForm(form({ prompt: 'a' }, { other: png })))).toMatchObject({
    status: 400,
    pointer: '/other',
  });
  expect(await refusalOf(() => postForm(form({ prompt: 'a', 'metadata[__proto__]': 'x' })))).toMatchObject({
    status: 400,
  });
  expect(
    await refusalOf(() => postForm(form({ prompt: 'a' }, { input_reference: Buffer.alloc(11 * 1024 * 1024) }))),
  ).toMatchObject({ status: 413, pointer: '/input_reference' });
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`f${index}`, 'x']));
  expect(await refusalOf(() => postForm(form(many)))).toMatchObject({ status: 400 });
  const twice = form({ prompt: 'a' }, { input_reference: png });
  twice.append('input_reference', new Blob([new Uint8Array(png)]), 'again');
  expect(await refusalOf(() => postForm(twice))).toMatchObject({ status: 400 });
});

test('a key is answered again with the same body', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const first = await bench.post({ prompt: 'a', metadata: { bb: '1', a: '2' }, seconds: 5 }, headers);
  const again = await bench.post(
    { seconds: '5', metadata: { a: '2', bb: '1' }, prompt: 'a' },
    { 'idempotency-key': `"${headers['idempotency-key']}"` },
  );
  expect([first.status, again.status]).toEqual([202, 202]);
  expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([
    null,
    'true',
  ]);
  expect(await again.text()).toBe(await first.text());
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
});

test('a key with another request is refused, and its picture is not kept', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  expect((await postForm(form({ prompt: 'a' }, { input_reference: png }), headers)).status).toBe(202);
  expect(await refusalOf(() => bench.post({ prompt: 'b' }, headers))).toMatchObject({
    status: 422,
    pointer: '/Idempotency-Key',
  });
  expect(await refusalOf(() => bench.post({ prompt: 'a' }, headers))).toMatchObject({
    status: 422,
    pointer: '/Idempotency-Key',
  });
  const other = await sharp(png).negate().png().toBuffer();
  expect(await refusalOf(() => postForm(form({ prompt: 'a' }, { input_reference: other }), headers))).toMatchObject({
    status: 422,
    pointer: '/Idempotency-Key',
  });
  const pictures = await bench.objects();
  const replayed = await postForm(form({ prompt: 'a' }, { input_reference: png }), headers);
  expect(replayed.headers.get('idempotency-replayed')).toBe('true');
  expect(await bench.objects()).toEqual(pictures);
});

test('a refused request does not use its key up', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  expect(await refusalOf(() => bench.post({ prompt: '' }, headers))).toMatchObject({ status: 400 });
  expect((await bench.post({ prompt: 'a' }, headers)).status).toBe(202);
});

test('a hundred requests with one key are one job', async () => {
  const before = await bench.count('jobs');
  const headers = { 'idempotency-key': randomUUID() };
  const responses = await Promise.all(Array.from({ length: 100 }, () => bench.post({ prompt: 'a' }, headers)));
  const ids = new Set(await Promise.all(responses.map(async (response) => (await response.json()).id)));
  expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 202));
  expect(responses.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
  expect(ids.size).toBe(1);
  expect(await bench.count('jobs')).toBe(before + 1);
});

test('five hundred requests at once are five hundred jobs, in batches', async () => {
  const before = await bench.count('jobs');
  const responses = await Promise.all(
    Array.from({ length: 500 }, (_, index) => bench.post({ prompt: `fox ${index}` })),
  );
  const ids = new Set(await Promise.all(responses.map(async (response) => (await response.json()).id)));
  expect(ids.size).toBe(500);
  expect(await bench.count('jobs')).toBe(before + 500);
  expect(await bench.registry.metrics()).toMatch(/spillway_api_accepts_total\{replayed="false"\} \d{3}/);
});

test('the cap on spending refuses what it has no room for', async () => {
  const capped = await openApiBench();
  try {
    await capped.database.pool.query(
      "UPDATE budgets SET cap_usd_micros = 700000, committed_usd_micros = 100000 WHERE id = 'global'",
    );
    expect((await capped.post({ prompt: 'a' })).status).toBe(202);
    await capped.database.pool.query("UPDATE budgets SET committed_usd_micros = 300000 WHERE id = 'global'");
    // What the API remembers of the budget is a second old at the most.
    await expect.poll(async () => (await capped.post({ prompt: 'a' })).status, { timeout: 5_000 }).toBe(429);
    const accepted = await capped.count('jobs');
    const refused = await capped.post({ prompt: 'a' });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(await refused.json()).toMatchObject({ code: 'spend_cap_reached' });
    expect(await capped.count('jobs')).toBe(accepted);
  } finally {
    await capped.close();
  }
});

/** A service that accepted under one catalogue and one cap, and has others since. */
async function openChangedBench() {
  let now = 0;
  let refuses = false;
  const changed = await openApiBench({
    clock: () => now,
    plan: (wish) => planOneTarget(refuses ? { ...wish, request: { ...wish.request, model: 'unknown' } } : wish),
  });
  return {
    ...changed,
    dropModel: () => (refuses = true),
    async lowerCap() {
      await changed.database.pool.query("UPDATE budgets SET cap_usd_micros = 1 WHERE id = 'global'");
      now += 10_000;
    },
  };
}

test.each([
  ['lowerCap', 429],
  ['dropModel', 422],
] as const)('an accepted job is replayed although it would be refused by now: %s', async (change, refusal) => {
  const changed = await openChangedBench();
  try {
    const headers = { 'idempotency-key': 'standing' };
    const first = await changed.post({ prompt: 'a' }, headers);
    await changed[change]();
    const again = await changed.post({ prompt: 'a' }, headers);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(await again.text()).toBe(await first.text());

    const other = await changed.post({ prompt: 'b' }, headers);
    expect([other.status, (await other.json()).code]).toEqual([422, 'idempotency_key_reused']);

    const fresh = await changed.post({ prompt: 'a' }, { 'idempotency-key': 'fresh' });
    expect([fresh.status, (await fresh.json()).code]).not.toContain('idempotency_key_reused');
    expect(fresh.status).toBe(refusal);
    expect((await changed.post({ prompt: 'a' })).status).toBe(refusal);
    expect([await changed.count('jobs'), await changed.count('idempotency_keys')]).toEqual([1, 1]);
  } finally {
    await changed.close();
  }
});
