import { failureOf } from '../../domain/failure.ts';
import { ProviderUnreachableError, type FindQuery, type FoundOperation } from '../provider.ts';
import { ask, jsonBody, unreachable, type WaveSpeedClient } from './client.ts';
import { progressOf, readPage, type Prediction } from './wire.ts';

const pageSize = 100;
const pagesMax = 100;

/**
 * Reads the list from the newest item back to `createdAfter`. The end is an empty page, a page that brings nothing new
 * or an item that is too old; not a short page, for the vendor may have pages smaller than asked.
 */
export async function find(client: WaveSpeedClient, query: FindQuery): Promise<readonly FoundOperation[]> {
  const seen = new Map<string, Prediction>();
  for (let page = 1; page <= pagesMax; page += 1) {
    const items = await readItems(client, query, page);
    const fresh = items.filter((item) => !seen.has(item.id));
    for (const item of fresh) seen.set(item.id, item);
    if (fresh.length === 0 || fresh.some((item) => isOlder(item, query))) return matches(seen, query);
  }
  const found = matches(seen, query);
  if (found.length > 0) return found;
  // To say "none" of a list that was not read to its end would be to allow a second payment.
  throw new ProviderUnreachableError(failureOf('provider_unavailable', { vendorCode: 'list_too_long' }));
}

async function readItems(client: WaveSpeedClient, query: FindQuery, page: number): Promise<readonly Prediction[]> {
  const created_after = new Date(query.createdAfter).toISOString();
  const body = jsonBody({ page, page_size: pageSize, model: query.model, created_after });
  const answer = await ask(client, { method: 'POST', path: '/api/v3/predictions', body });
  const items = answer.readable ? readPage(answer.envelope?.data) : undefined;
  if (!items) throw unreachable(answer);
  return items;
}

/** The filters are repeated here: a vendor that ignored one would hand us somebody else's operation. */
function matches(items: ReadonlyMap<string, Prediction>, query: FindQuery): readonly FoundOperation[] {
  return [...items.values()]
    .filter((item) => (item.input?.seed ?? item.inputs?.seed) === query.seed)
    .filter((item) => (item.model ?? query.model) === query.model && !isOlder(item, query))
    .map((item) => ({ operation: item.id, progress: progressOf(item) }));
}

/** An item without a readable time may be ours. */
function isOlder(item: Prediction, query: FindQuery): boolean {
  return Date.parse(item.created_at ?? '') < query.createdAfter;
}
