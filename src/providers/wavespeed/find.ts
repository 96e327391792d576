import type { FindQuery, FoundOperation } from '../provider.ts';
import { searchList, type ListPage } from '../search-list.ts';
import type { VendorClient } from '../vendor-client.ts';
import { jsonBody } from '../wire-values.ts';
import { ask, unreachable } from './client.ts';
import { readPage, type Prediction } from './wire.ts';

const pageSize = 100;

export async function find(client: VendorClient, query: FindQuery): Promise<readonly FoundOperation[]> {
  const found = await searchList<Prediction>(client, {
    window: query,
    readPage: (place) => readListPage(client, query, Number(place ?? 1)),
    isOurs: (item) => isOurs(item, query),
  });
  return found.map(({ id: operation }) => ({ operation }));
}

/** The end is an empty page: the vendor has no other way to say it. */
async function readListPage(client: VendorClient, query: FindQuery, page: number): Promise<ListPage<Prediction>> {
  const created_after = new Date(query.createdAfter).toISOString();
  const created_before = new Date(query.createdBefore).toISOString();
  const body = jsonBody({ page, page_size: pageSize, model: query.model, created_after, created_before });
  const answer = await ask(client, { method: 'POST', path: '/api/v3/predictions', body });
  const items = answer.readable ? readPage(answer.envelope?.data) : undefined;
  if (!items) throw unreachable(answer);
  return { items, next: items.length === 0 ? undefined : String(page + 1) };
}

/** The filters are repeated here: a vendor that ignored one would hand us somebody else's operation. */
function isOurs(item: Prediction, query: FindQuery): boolean {
  const seed = item.input?.seed ?? item.inputs?.seed;
  return seed === query.seed && (item.model ?? query.model) === query.model;
}
