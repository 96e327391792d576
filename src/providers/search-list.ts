import { failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { ProviderUnreachableError } from './provider.ts';

/** A vendor's list of its operations, newest first, and what is looked for in it. */
export interface ListSearch<Item> {
  /** Reads the page at `place`, or the first one. Throws when there is none to be read. */
  readonly readPage: (place: string | undefined) => Promise<ListPage<Item>>;
  /** Whether an item is too old to matter, and with it all that follow. */
  readonly isOlder: (item: Item) => boolean;
  readonly isOurs: (item: Item) => boolean;
}

export interface ListPage<Item> {
  readonly items: readonly Item[];
  /** Where the next page is; absent at the end. */
  readonly next?: string | undefined;
}

/**
 * Reads from the newest item back. The end is where the vendor says so, a page of nothing but items seen before, or an
 * item that is too old; not a short page, for the vendor may have pages smaller than asked.
 */
export async function searchList<Item extends { readonly id: string }>(
  search: ListSearch<Item>,
): Promise<readonly Item[]> {
  const seen = new Map<string, Item>();
  const found = () => [...seen.values()].filter((item) => search.isOurs(item) && !search.isOlder(item));
  let place: string | undefined;
  for (let page = 1; page <= limits.vendorListPagesMax; page += 1) {
    const { items, next } = await search.readPage(place);
    const fresh = items.filter(({ id }) => !seen.has(id));
    for (const item of fresh) seen.set(item.id, item);
    const nothingNew = items.length > 0 && fresh.length === 0;
    if (next === undefined || nothingNew || fresh.some((item) => search.isOlder(item))) return found();
    place = next;
  }
  if (found().length > 0) return found();
  // To say "none" of a list that was not read to its end would be to allow a second payment.
  throw new ProviderUnreachableError(failureOf('unreachable', { vendorCode: 'list_too_long' }));
}
