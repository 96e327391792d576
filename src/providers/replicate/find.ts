import { limits } from '../../domain/limits/limits.ts';
import type { FindQuery, FoundOperation } from '../provider.ts';
import { refuseNone, searchList, type ListPage } from '../search-list.ts';
import { ask, type VendorClient } from '../vendor-client.ts';
import { unreachable } from './client.ts';
import { partsOf } from './model.ts';
import { readPage, type Prediction } from './wire.ts';

/** The list keeps inputs, and so our seed, for the hour that the vendor keeps anything. */
export async function find(client: VendorClient, query: FindQuery): Promise<readonly FoundOperation[]> {
  const found = await searchList<Prediction>(client, {
    window: query,
    readPage: (cursor) => readListPage(client, query, cursor),
    isOurs: (item) => isOurs(item, query),
  });
  return found.map(({ id: operation }) => ({ operation }));
}

async function readListPage(
  client: VendorClient,
  { createdAfter, createdBefore }: FindQuery,
  cursor: string | undefined,
): Promise<ListPage<Prediction>> {
  const created_after = new Date(createdAfter).toISOString();
  const created_before = new Date(createdBefore).toISOString();
  const query = { created_after, created_before, ...(cursor !== undefined && { cursor }) };
  const answer = await ask(client, { method: 'GET', path: '/v1/predictions', query });
  const page = answer.successful ? readPage(answer.json) : undefined;
  if (!page) throw unreachable(answer);
  return { items: page.items, next: page.next ? cursorIn(page.next) : undefined };
}

/** Of the vendor's URL only the cursor is used: where our key goes is not for an answer to say. */
function cursorIn(next: string): string {
  const cursor = URL.canParse(next) ? new URL(next).searchParams.get('cursor') : null;
  if (!cursor || cursor.length > limits.vendorListCursorCharsMax) refuseNone('list_broken');
  return cursor;
}

/** The list is of the whole account, so model and time are ours to compare. */
function isOurs(item: Prediction, query: FindQuery): boolean {
  const model = partsOf(query.model);
  if (item.input?.seed !== query.seed || !model) return false;
  const isModel = (item.model ?? `${model.owner}/${model.name}`) === `${model.owner}/${model.name}`;
  return isModel && (model.version === undefined || (item.version ?? model.version) === model.version);
}
