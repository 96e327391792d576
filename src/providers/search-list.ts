import { failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { ProviderUnreachableError } from './provider.ts';
import type { VendorClient } from './vendor-client.ts';

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
 * Reads from the newest item back. The end is where the vendor says so, or an item that is too old; not a short page,
 * for the vendor may have pages smaller than asked. What was found before a list broke off was found.
 */
export async function searchList<Item extends { readonly id: string }>(
  { timeouts, now }: Pick<VendorClient, 'timeouts' | 'now'>,
  search: ListSearch<Item>,
): Promise<readonly Item[]> {
  const giveUpAt = now() + timeouts.listMs;
  const seen = new Map<string, Item>();
  const found = () => [...seen.values()].filter((item) => search.isOurs(item) && !search.isOlder(item));
  const brokenOff = (why: UnreadList) => (found().length > 0 ? found() : refuseNone(why));
  let place: string | undefined;
  for (let page = 1; page <= limits.vendorListPagesMax; page += 1) {
    const { items, next } = await search.readPage(place);
    const fresh = items.filter(({ id }) => !seen.has(id));
    for (const item of fresh) seen.set(item.id, item);
    if (next === undefined || fresh.some((item) => search.isOlder(item))) return found();
    // As much as a page came in meanwhile and moved the rest; or the vendor does not turn pages at all.
    if (items.length > 0 && fresh.length === 0) return brokenOff('list_broken');
    if (now() >= giveUpAt) break;
    place = next;
  }
  return brokenOff('list_too_long');
}

type UnreadList = 'list_broken' | 'list_too_long';

/** To say "none" of a list that was not read to its end would be to allow a second payment. */
export function refuseNone(vendorCode: UnreadList): never {
  throw new ProviderUnreachableError(failureOf('unreachable', { vendorCode }));
}
