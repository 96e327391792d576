import { failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';
import { type FindQuery, ProviderUnreachableError } from './provider.ts';
import type { VendorClient } from './vendor-client.ts';

/** A vendor's list of its operations, newest first, and what is looked for in it. */
export interface ListSearch<Item> {
  /** Nothing outside it can be ours, whether or not the vendor was asked for it alone. */
  readonly window: Pick<FindQuery, 'createdAfter' | 'createdBefore'>;
  /** Reads the page at `place`, or the first one. Throws when there is none to be read. */
  readonly readPage: (place: string | undefined) => Promise<ListPage<Item>>;
  readonly isOurs: (item: Item) => boolean;
}

export interface ListPage<Item> {
  readonly items: readonly Item[];
  /** Where the next page is; absent at the end. */
  readonly next?: string | undefined;
}

/** `created_at` as vendors write it. One without a readable time may be ours. */
interface Listed {
  readonly id: string;
  readonly created_at?: string | null | undefined;
}

/**
 * Reads from the newest item back. The end is where the vendor says so, or an item that is too old; not a short page,
 * for the vendor may have pages smaller than asked. What was found before a list broke off was found.
 */
export async function searchList<Item extends Listed>(
  { timeouts, now }: Pick<VendorClient, 'timeouts' | 'now'>,
  { window, readPage, isOurs }: ListSearch<Item>,
): Promise<readonly Item[]> {
  const giveUpAt = now() + timeouts.listMs;
  const seen = new Map<string, Item>();
  const isOlder = (item: Item) => createdAt(item) < window.createdAfter;
  const isNewer = (item: Item) => createdAt(item) > window.createdBefore;
  const found = () => [...seen.values()].filter((item) => isOurs(item) && !isOlder(item) && !isNewer(item));
  const brokenOff = (why: UnreadList) => (found().length > 0 ? found() : refuseNone(why));
  // Nothing comes into it any more, and the vendor has heeded that.
  const isStill = () => now() > window.createdBefore && ![...seen.values()].some(isNewer);
  let place: string | undefined;
  for (let page = 1; page <= limits.vendorListPagesMax; page += 1) {
    const { items, next } = await readPage(place);
    const fresh = items.filter(({ id }) => !seen.has(id));
    for (const item of fresh) seen.set(item.id, item);
    if (next === undefined || fresh.some(isOlder)) return found();
    // As much as a page came in meanwhile and moved the rest; or, where nothing can, the vendor repeats its last page.
    const isRepeated = fresh.length === 0 && (items.length > 0 || next === place);
    if (isRepeated) return isStill() ? found() : brokenOff('list_broken');
    if (now() >= giveUpAt) break;
    place = next;
  }
  return brokenOff('list_too_long');
}

function createdAt({ created_at }: Listed): number {
  return Date.parse(created_at ?? '');
}

type UnreadList = 'list_broken' | 'list_too_long';

/** To say "none" of a list that was not read to its end would be to allow a second payment. */
export function refuseNone(vendorCode: UnreadList): never {
  throw new ProviderUnreachableError(failureOf('unreachable', { vendorCode }));
}
