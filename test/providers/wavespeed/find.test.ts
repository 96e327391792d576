import { expect, test } from 'vitest';

import { createWaveSpeedProvider } from '../../../src/providers/wavespeed/provider.ts';
import { html, json, stubVendor, type Reply } from '../stub-vendor.ts';

const createdAfter = Date.parse('2026-11-21T10:00:00.000Z');
const createdBefore = Date.parse('2026-11-21T10:05:00.000Z');
const query = { model: 'alibaba/wan-2.6/text-to-video', seed: 4_711, createdAfter, createdBefore };

test('adopts by seed, model and time, and reads back no further than it must', async () => {
  const items = [
    item('other-seed', { input: { seed: 1 } }),
    item('ours', { status: 'created' }),
    item('no-inputs', { input: undefined }),
    item('other-model', { model: 'alibaba/wan-3.0/text-to-video' }),
    item('too-new', { created_at: '2026-11-21T10:05:00.001Z' }),
    item('too-old', { created_at: '2026-11-21T09:59:59.999Z' }),
  ];
  const { origin, received } = await stubVendor(page(items));
  expect(await find(origin)).toEqual([{ operation: 'ours' }]);
  expect(received).toHaveLength(1);
  expect(JSON.parse(received[0]?.body ?? '')).toEqual({
    page: 1,
    page_size: 100,
    model: query.model,
    created_after: '2026-11-21T10:00:00.000Z',
    created_before: '2026-11-21T10:05:00.000Z',
  });
});

test('reads short pages on to the end, and counts an item that moved to the next page once', async () => {
  const moved = item('ours', {});
  const { origin, received } = await stubVendor(page([moved]), page([moved, item('twin', {})]), page([]));
  expect((await find(origin)).map(({ operation }) => operation)).toEqual(['ours', 'twin']);
  expect(received.map(({ body }) => JSON.parse(body).page)).toEqual([1, 2, 3]);
});

test('a vendor that ignores the page number neither holds us nor makes it a "none" while more may come', async () => {
  const { origin, received } = await stubVendor(page([item('other', { input: { seed: 1 } })]));
  await expect(find(origin, createdBefore)).rejects.toMatchObject({ failure: { vendorCode: 'list_broken' } });
  expect(received).toHaveLength(2);
});

test('a vendor that repeats its last page has said all, once nothing can come any more', async () => {
  const { origin, received } = await stubVendor(page([item('other', { input: { seed: 1 } })]));
  expect(await find(origin, createdBefore + 1)).toEqual([]);
  expect(received).toHaveLength(2);
});

test('reads inputs under either name', async () => {
  const { origin } = await stubVendor(page([item('ours', { input: undefined, inputs: { seed: query.seed } })]));
  expect(await find(origin)).toHaveLength(1);
});

test('a list that never ends is no "none"', async () => {
  let count = 0;
  const endless: Reply = (response, request) => {
    count += 1;
    page([item(`op-${count}`, { input: { seed: 1 } })])(response, request);
  };
  const { origin, received } = await stubVendor(endless);
  await expect(find(origin)).rejects.toMatchObject({ failure: { vendorCode: 'list_too_long' } });
  expect(received).toHaveLength(100);
});

test.each([
  ['HTML', html],
  ['500', json(500, {})],
  ['HTTP 200, code 500', json(200, { code: 500, data: null })],
  ['no items', json(200, { code: 200, data: {} })],
  ['items of another kind', json(200, { code: 200, data: { items: ['a', 'b'] } })],
])('%s is no "none"', async (_name, reply) => {
  const { origin } = await stubVendor(reply);
  await expect(find(origin)).rejects.toMatchObject({ name: 'ProviderUnreachableError' });
});

function find(origin: string, now = createdAfter) {
  return createWaveSpeedProvider({ baseUrl: origin, apiKey: 'secret-key', now: () => now }).find(query);
}

function page(items: readonly object[]): Reply {
  return json(200, { code: 200, message: 'success', data: { items } });
}

function item(id: string, fields: object): object {
  const own = { model: query.model, status: 'processing', created_at: '2026-11-21T10:00:01Z' };
  return { id, ...own, input: { seed: query.seed }, ...fields };
}
