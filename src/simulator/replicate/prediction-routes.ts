import { z } from 'zod';
import { json, type Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import type { Prediction } from '../prediction.ts';
import type { Exchange, Route } from '../route.ts';
import { invalid, notFound } from './answers.ts';
import { predictionData } from './wire.ts';

const pageSize = 100;

const moment = z.iso.datetime({ offset: true }).transform(Date.parse);
const listSchema = z.object({
  created_after: moment.optional(),
  created_before: moment.optional(),
  source: z.enum(['web', 'api']).optional(),
  cursor: z.string().optional(),
});

export const predictionRoutes: readonly Route[] = [
  { method: 'GET', path: /^\/v1\/predictions$/, handle: listPredictions } as const,
  { method: 'GET', path: /^\/v1\/predictions\/(?<id>[^/]+)$/, handle: getPrediction } as const,
  { method: 'POST', path: /^\/v1\/predictions\/(?<id>[^/]+)\/cancel$/, handle: cancelPrediction } as const,
  { method: 'GET', path: /^\/v1\/webhooks\/default\/secret$/, handle: getWebhookSecret } as const,
].map(withKey);

function getPrediction({ account, parameters }: Exchange): Answer {
  const prediction = account.predictions.find(parameters['id'] ?? '');
  return prediction ? json(200, predictionData(prediction)) : notFound();
}

/** Too late is no error: the answer shows how it ended. */
function cancelPrediction(exchange: Exchange): Answer {
  exchange.account.cancel(exchange.parameters['id'] ?? '');
  return getPrediction(exchange);
}

function getWebhookSecret({ account }: Exchange): Answer {
  return json(200, { key: account.options.webhookSecret });
}

function listPredictions({ account, url, baseUrl }: Exchange): Answer {
  const query = listSchema.safeParse(Object.fromEntries(url.searchParams));
  if (!query.success) return invalid(z.prettifyError(query.error));
  const { created_after: after = -Infinity, created_before: before = Infinity, source = 'api', cursor } = query.data;
  const found = account.predictions
    .allVisible()
    .filter(({ createdAtMs }) => source === 'api' && createdAtMs >= after && createdAtMs < before);
  const start = cursor === undefined ? 0 : found.findIndex(({ id }) => id === idIn(cursor)) + 1;
  const page = found.slice(start, start + pageSize);
  const last = start + pageSize < found.length ? page.at(-1) : undefined;
  const next = last && `${baseUrl}/v1/predictions?cursor=${encodeURIComponent(cursorOf(last))}`;
  return json(200, { previous: null, next: next ?? null, results: page.map(predictionData) });
}

/** Where the next page begins: behind this one, however many came meanwhile. */
function cursorOf({ id }: Prediction): string {
  return Buffer.from(`p=${id}`).toString('base64');
}

function idIn(cursor: string): string {
  return Buffer.from(cursor, 'base64').toString('utf8').replace(/^p=/, '');
}
