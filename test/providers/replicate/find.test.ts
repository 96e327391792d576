import { expect, test } from 'vitest';

import { createReplicateProvider } from '../../../src/providers/replicate/provider.ts';
import { html, json, stubVendor, type Reply } from '../stub-vendor.ts';

const createdAfter = Date.parse('2026-11-21T10:00:00.000Z');
const createdBefore = Date.parse('2026-11-21T10:05:00.000Z');
const query = { model: 'wan-video/wan-2.6-t2v', seed: 4_711, createdAfter, createdBefore };
const version = '5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa';

test('adopts by seed, model and time, and reads back no further than it must', async () => {
  const items = [
    item('other-seed', { input: { seed: 1 } }),
    item('ours', { status: 'starting' }),
    item('no-inputs', { input: {} }),
    item('data-removed', { input: null }),
    item('other-model', { model: 'wan-video/wan-2.6-i2v' }),
    item('too-new', { created_at: '2026-11-21T10:05:00.001Z' }),
    item('too-old', { created_at: '2026-11-21T09:59:59.999Z' }),
  ];
  const { origin, received } = await stubVendor(page(items, 'https://api.replicate.com/v1/predictions?cursor=c2'));
  expect(await find(origin)).toEqual([{ operation: 'ours' }]);
  expect(received).toHaveLength(1);
  const asked = new URL(received[0]?.url ?? '', 'https://vendor.example');
  expect([asked.pathname, Object.fromEntries(asked.searchParams)]).toEqual([
    '/v1/predictions',
    { created_after: '2026-11-21T10:00:00.000Z', created_before: '2026-11-21T10:05:00.000Z' },
  ]);
});

test('reads on to the end, and counts an item that moved to the next page once', async () => {
  const moved = item('ours', {});
  const { origin, received } = await stubVendor(
    page([moved], 'https://api.replicate.com/v1/predictions?cursor=a%2Bb'),
    page([], 'https://api.replicate.com/v1/predictions?cursor=c3'),
    page([moved, item('twin', {})], null),
  );
  expect((await find(origin)).map(({ operation }) => operation)).toEqual(['ours', 'twin']);
  expect(received.map(({ url }) => new URL(url, origin).searchParams.get('cursor'))).toEqual([null, 'a+b', 'c3']);
});

test("goes on at our own address, whatever the vendor's URL names", async () => {
  const trap = await stubVendor(page([]));
  const next = `${trap.origin}/v1/predictions?cursor=c2&created_after=1970-01-01`;
  const { origin, received } = await stubVendor(page([item('other', { input: { seed: 1 } })], next), page([]));
  expect(await find(origin)).toEqual([]);
  expect(trap.received).toHaveLength(0);
  expect(received.map(({ headers }) => headers.authorization)).toEqual(['Bearer secret-key', 'Bearer secret-key']);
  expect(received[1]?.url).toContain('created_after=2026-11-21');
});

test('of a pinned version finds that version only', async () => {
  const model = `owner/name:${version}`;
  const items = [
    item('ours', { model: 'owner/name', version }),
    item('other-version', { model: 'owner/name', version: version.replace('5', '6') }),
    item('other-model', { model: 'owner/other', version }),
  ];
  const { origin } = await stubVendor(page(items));
  expect((await find(origin, model)).map(({ operation }) => operation)).toEqual(['ours']);
});

test('a list that never ends is no "none"', async () => {
  let count = 0;
  const endless: Reply = (response, request) => {
    count += 1;
    page([item(`op${count}`, { input: { seed: 1 } })], `https://x.example/?cursor=c${count}`)(response, request);
  };
  const { origin, received } = await stubVendor(endless);
  await expect(find(origin)).rejects.toMatchObject({ failure: { vendorCode: 'list_too_long' } });
  expect(received).toHaveLength(100);
});

test.each([[[item('other', { input: { seed: 1 } })]], [[]]])(
  'a vendor that ignores the cursor neither holds us nor makes it a "none" while more may come',
  async (items) => {
    const { origin, received } = await stubVendor(page(items, 'https://x.example/?cursor=c'));
    await expect(find(origin)).rejects.toMatchObject({ failure: { vendorCode: 'list_broken' } });
    expect(received).toHaveLength(2);
    expect(await find(origin, query.model, createdBefore + 1)).toEqual([]);
  },
);

test.each([
  ['HTML', html],
  ['500', json(500, {})],
  ['no results', json(200, { next: null })],
  ['a bare array', json(200, [item('ours', {})])],
  ['items of another kind', json(200, { results: ['a', 'b'] })],
  ['a next without a cursor', page([], 'https://api.replicate.com/v1/predictions')],
  ['a next that is no URL', page([], 'cursor=c2')],
  ['a next of another type', json(200, { results: [], next: 7 })],
  ['an endless cursor', page([], `https://x.example/?cursor=${'c'.repeat(1_025)}`)],
])('%s is no "none"', async (_name, reply) => {
  const { origin } = await stubVendor(reply);
  await expect(find(origin)).rejects.toMatchObject({ name: 'ProviderUnreachableError' });
});

function find(origin: string, model = query.model, now = createdAfter) {
  return createReplicateProvider({ baseUrl: origin, apiKey: 'secret-key', now: () => now }).find({ ...query, model });
}

function page(results: readonly object[], next?: string | null): Reply {
  return json(200, { previous: null, next: next ?? null, results });
}

function item(id: string, fields: object): object {
  const own = { model: query.model, version: 'hidden', status: 'processing', created_at: '2026-11-21T10:00:01.123Z' };
  return { id, ...own, input: { seed: query.seed }, ...fields };
}
