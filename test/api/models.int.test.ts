import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderTraits } from '../../src/catalogue/availability.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { plan } from '../../src/catalogue/plan.ts';
import { publishModels } from '../../src/catalogue/publish.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

const catalogue = await loadCatalogue(join(import.meta.dirname, '../../models.yaml'));
const providers: ReadonlyMap<string, ProviderTraits> = new Map([
  ['wavespeed', { callbacks: true, cancelMeans: 'forgets' }],
  ['fal', { callbacks: true, cancelMeans: 'stops' }],
]);
const apiKey = 'a-key-of-sixteen-characters';
const authorization = { authorization: `Bearer ${apiKey}` };

let bench: ApiBench;

beforeAll(async () => {
  bench = await openApiBench({
    apiKey,
    models: publishModels(catalogue, providers),
    plan: (wish) => plan(catalogue, { providers, pricesNeeded: false }, wish),
  });
});
afterAll(async () => await bench.close());

async function post(body: object): Promise<{ status: number; answer: Record<string, unknown>; text: string }> {
  const response = await bench.post(body, authorization);
  const text = await response.text();
  return { status: response.status, answer: JSON.parse(text), text };
}

describe('GET /v1/models', () => {
  test('is a list as OpenAI`s clients read it, of every model with its status', async () => {
    const response = await bench.get('/v1/models', authorization);
    expect(response.status).toBe(200);
    const { object, data } = await response.json();
    expect(object).toBe('list');
    expect(Object.fromEntries(data.map(({ id, status }: { id: string; status: string }) => [id, status]))).toEqual({
      'wan-2.6': 'active',
      'wan-3.0': 'active',
      'kling-2.5-turbo': 'active',
      'kling-2.6': 'active',
      'gen-4.5': 'unavailable',
      'sora-2': 'retired',
    });
    for (const model of data)
      expect(model).toMatchObject({ object: 'model', owned_by: expect.any(String), created: expect.any(Number) });
  });

  test('tells of a model what can be asked for, and of its targets prices with their sources', async () => {
    const response = await bench.get('/v1/models/kling-2.6', authorization);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      id: 'kling-2.6',
      inputs: ['text', 'image'],
      text: { seconds: [5, 10], sizes: ['1280x720', '720x1280'], fields: ['negative_prompt', 'audio'] },
      targets: [
        { provider: 'wavespeed', available: true, callbacks: true, cancel: 'forgets' },
        { provider: 'fal', available: true, cancel: 'stops', price_per_second: { currency: 'USD', assumed: true } },
        { provider: 'replicate', available: false, callbacks: null, cancel: null },
      ],
    });
  });

  test('tells of a retired model since when and why, and what serves it', async () => {
    const response = await bench.get('/v1/models/sora-2', authorization);
    expect(await response.json()).toMatchObject({
      status: 'retired',
      retired: { since: '2026-09-24', policy: 'redirect', why: expect.stringContaining('OpenAI') },
      fallbacks: ['wan-3.0', 'kling-2.6'],
    });
  });

  test.each(['/v1/models/sora-3', '/v1/models/constructor', '/v1/models/%F0%9F%9B%B6'])('%s is none', async (path) => {
    const response = await bench.get(path, authorization);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      code: 'model_not_found',
      detail: expect.stringContaining('/v1/models'),
    });
  });

  test.each(['/v1/models', '/v1/models/wan-2.6'])('%s is for those who have the key', async (path) => {
    expect((await bench.get(path)).status).toBe(401);
  });

  test.each(['/v1/models', '/v1/models/wan-2.6'])('%s is only read', async (path) => {
    const response = await fetch(`${bench.url}${path}`, { method: 'DELETE', headers: authorization });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });
});

describe('a retired model', () => {
  test('is accepted, and the answer shows what is served and what was requested', async () => {
    const { status, answer } = await post({ prompt: 'a heron', model: 'sora-2', seconds: '4', size: '1024x1792' });
    expect(status).toBe(202);
    const shown = { model: 'wan-3.0', seconds: '5', size: '1080x1920' };
    const requested = { model: 'sora-2', seconds: '4', size: '1024x1792' };
    expect(answer).toMatchObject({ ...shown, requested });
    const later = await bench.get(`/v1/videos/${String(answer['id'])}`, authorization);
    expect(await later.json()).toMatchObject({ ...shown, requested });
  });

  test('shows as not requested what the caller left to us', async () => {
    const { answer } = await post({ prompt: 'a heron', model: 'sora-2' });
    expect(answer).toMatchObject({ requested: { model: 'sora-2', seconds: null, size: null } });
  });

  test('is replayed as it was answered', async () => {
    const body = { prompt: 'a heron', model: 'sora-2', seconds: 8 };
    const headers = { ...authorization, 'idempotency-key': 'sora-once' };
    const first = await bench.post(body, headers);
    const again = await bench.post(body, headers);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.json()).toEqual(await first.json());
  });

  test('is refused where its caller allows no other, and the answer names those', async () => {
    const { status, answer } = await post({ prompt: 'a heron', model: 'sora-2', fallback: 'none' });
    expect(status).toBe(422);
    expect(answer).toMatchObject({
      code: 'model_retired',
      errors: [{ pointer: '/model', allowed: ['wan-3.0', 'kling-2.6'] }],
    });
    expect(answer['detail']).toContain('Allowed: wan-3.0, kling-2.6.');
  });
});

test('any other model was requested as it is served', async () => {
  expect((await post({ prompt: 'a heron' })).answer).toMatchObject({ model: 'wan-2.6', requested: null });
});

test.each(['model_retired', 'value_not_allowed', 'model_unavailable', 'text_too_long'])(
  'the page of the problem %s is there',
  async (code) => {
    const response = await bench.get(`/problems/${code}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ code, status: 422, title: expect.stringMatching(/\.$/) });
  },
);

test('a model that nobody here can make is refused, with those that can be had', async () => {
  const { status, answer } = await post({ prompt: 'a heron', model: 'gen-4.5', fallback: 'none' });
  expect(status).toBe(422);
  expect(answer).toMatchObject({
    code: 'model_unavailable',
    errors: [{ pointer: '/model', allowed: ['wan-2.6', 'wan-3.0', 'kling-2.5-turbo', 'kling-2.6'] }],
  });
});
