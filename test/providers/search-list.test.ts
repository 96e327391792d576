import { describe, expect, test } from 'vitest';

import { searchList, type ListPage } from '../../src/providers/search-list.ts';
import { defaultTimeouts } from '../../src/providers/settings.ts';

const inTime = { timeouts: defaultTimeouts, now: () => Date.parse('2026-11-21T10:01:00Z') };
const window = { createdAfter: Date.parse('2026-11-21T10:00:00Z'), createdBefore: Date.parse('2026-11-21T10:05:00Z') };

interface Item {
  readonly id: string;
  readonly created_at?: string;
}

test('reads from the first page to where the vendor says that it ends', async () => {
  const { found, places } = await search({ items: [ours('a')], next: 'two' }, { items: [ours('b')] });
  expect(found).toEqual(['a', 'b']);
  expect(places).toEqual([undefined, 'two']);
});

test('stops at what is too old, and does not take it for ours', async () => {
  const { found, places } = await search({
    items: [ours('a'), { id: 'ours-old', created_at: '2026-11-21T09:59:59Z' }, ours('b')],
    next: 'two',
  });
  expect([found, places.length]).toEqual([['a', 'b'], 1]);
});

test('an empty page in the middle is no end', async () => {
  const { found } = await search({ items: [], next: 'two' }, { items: [ours('a')] });
  expect(found).toEqual(['a']);
});

test('what moved to the next page counts once, and a page of nothing else ends the search for it', async () => {
  const { found, places } = await search(
    { items: [ours('a')], next: 'two' },
    { items: [ours('a'), ours('b')], next: 'three' },
    { items: [ours('b')], next: 'four' },
  );
  expect([found, places.length]).toEqual([['a', 'b'], 3]);
});

test('a list without an end is "none" for nobody, and bounded', async () => {
  let pages = 0;
  const endless = async () => ({ items: [{ id: `other-${(pages += 1)}` }], next: 'more' });
  const searching = searchList(inTime, { window, readPage: endless, isOurs: ({ id }) => id === 'ours' });
  await expect(searching).rejects.toMatchObject({ failure: { vendorCode: 'list_too_long' } });
  expect(pages).toBe(100);
});

test('in a list without an end, one that was found is one that was found', async () => {
  let pages = 0;
  const endless = async () => ({ items: [{ id: `item-${(pages += 1)}` }], next: 'more' });
  const found = await searchList(inTime, {
    window,
    readPage: endless,
    isOurs: ({ id }) => id === 'item-7',
  });
  expect(found).toEqual([{ id: 'item-7' }]);
});

test('where a whole page came in meanwhile, the next one shows the same, and what lies behind it is no "none"', async () => {
  const before = [{ id: 'other-1' }, { id: 'other-2' }];
  const searching = search({ items: before, next: 'two' }, { items: before, next: 'three' }, { items: [ours('a')] });
  await expect(searching).rejects.toMatchObject({ failure: { vendorCode: 'list_broken' } });
});

test('what is too new is not taken for ours', async () => {
  const tooNew = { id: 'ours-new', created_at: '2026-11-21T10:05:01Z' };
  expect((await search({ items: [tooNew, ours('a')] })).found).toEqual(['a']);
});

describe('once nothing can come into the list any more', () => {
  const later = { ...inTime, now: () => window.createdBefore + 1 };
  const repeating =
    (...items: readonly Item[]) =>
    async () => ({ items, next: 'more' });
  const isOurs = ({ id }: Item) => id.startsWith('ours-');

  test('a page that is repeated is the last one', async () => {
    const readPage = repeating({ id: 'other', created_at: '2026-11-21T10:01:00Z' });
    expect(await searchList(later, { window, readPage, isOurs })).toEqual([]);
    expect(await searchList(later, { window, readPage: repeating(), isOurs })).toEqual([]);
    expect(await searchList(later, { window, readPage: repeating(ours('a')), isOurs })).toEqual([ours('a')]);
  });

  test('it still may be a shift where the vendor lists what it was not asked for', async () => {
    const readPage = repeating({ id: 'other', created_at: '2026-11-21T10:05:01Z' });
    await expect(searchList(later, { window, readPage, isOurs })).rejects.toMatchObject({
      failure: { vendorCode: 'list_broken' },
    });
  });
});

test('a list takes no longer than the poll that reads it, however slowly its pages come', async () => {
  let now = 0;
  let pages = 0;
  const slow = async () => {
    now += 15_000;
    return { items: [{ id: `other-${(pages += 1)}` }], next: 'more' };
  };
  const clock = { timeouts: defaultTimeouts, now: () => now };
  const searching = searchList(clock, { window, readPage: slow, isOurs: ({ id }) => id === 'ours' });
  await expect(searching).rejects.toMatchObject({ failure: { vendorCode: 'list_too_long' } });
  expect([pages, now]).toEqual([2, 30_000]);
});

test('a page that cannot be read ends the search with its error', async () => {
  await expect(search({ items: [ours('a')], next: 'two' })).rejects.toThrow('no such page');
});

function ours(id: string): Item {
  return { id: `ours-${id}` };
}

async function search(...pages: readonly ListPage<Item>[]) {
  const places: (string | undefined)[] = [];
  const found = await searchList<Item>(inTime, {
    window,
    readPage: async (place) => {
      const page = pages[places.length];
      places.push(place);
      if (!page) throw new Error('no such page');
      return page;
    },
    isOurs: ({ id }) => id.startsWith('ours-'),
  });
  return { found: found.map(({ id }) => id.replace('ours-', '')), places };
}
