import { z } from 'zod';
import type { Account } from '../account.ts';
import { failure, notFound, success, type Answer } from '../answer.ts';
import { readJson } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { listItem, predictionData } from '../wire.ts';
import { withKey } from './authorize.ts';

/** An ISO time, or unix seconds. */
const moment = z.union([
  z.iso.datetime({ offset: true }).transform(Date.parse),
  z.number().transform((seconds) => seconds * 1_000),
]);

const listSchema = z.object({
  page: z.number().int().min(1).default(1),
  page_size: z.number().int().min(1).max(100).default(20),
  model: z.string().optional(),
  status: z.string().optional(),
  created_after: moment.optional(),
  created_before: moment.optional(),
});

const deleteSchema = z.object({ ids: z.array(z.string()).min(1) });

export const predictionRoutes: readonly Route[] = [
  { method: 'GET', path: /^\/api\/v3\/predictions\/(?<id>[^/]+)(?:\/result)?$/, handle: getPrediction } as const,
  { method: 'POST', path: /^\/api\/v3\/predictions$/, handle: listPredictions } as const,
  { method: 'POST', path: /^\/api\/v3\/predictions\/delete$/, handle: deletePredictions } as const,
  { method: 'DELETE', path: /^\/api\/v3\/predictions\/(?<id>[^/]+)$/, handle: deletePrediction } as const,
].map(withKey);

function getPrediction({ account, parameters }: Exchange): Answer {
  const prediction = account.predictions.findVisible(parameters['id'] ?? '');
  return prediction ? success(predictionData(prediction)) : notFound('prediction');
}

async function listPredictions({ account, request, options }: Exchange): Promise<Answer> {
  const query = listSchema.safeParse(await readJson(request));
  if (!query.success) return failure(400, z.prettifyError(query.error), 1401);
  const {
    page,
    page_size: pageSize,
    created_after: createdAfterMs,
    created_before: createdBeforeMs,
    ...rest
  } = query.data;
  const { items, total } = account.predictions.list({ page, pageSize, createdAfterMs, createdBeforeMs, ...rest });
  const data = items.map((prediction) => listItem(prediction, options.listsInput ?? true));
  return success({ items: data, page, page_size: pageSize, total });
}

function deletePrediction({ account, parameters }: Exchange): Answer {
  const id = parameters['id'] ?? '';
  return account.forget(id) ? success({ id, status: 'deleted' }) : notFound('prediction');
}

async function deletePredictions({ account, request }: Exchange): Promise<Answer> {
  const body = deleteSchema.safeParse(await readJson(request));
  return body.success ? forgetAll(account, body.data.ids) : failure(400, 'ids must be a list of prediction ids', 1401);
}

function forgetAll(account: Account, ids: readonly string[]): Answer {
  const deleted = ids.filter((id) => account.forget(id));
  return deleted.length > 0 ? success(deleted.map((id) => ({ id, status: 'deleted' }))) : notFound('prediction');
}
