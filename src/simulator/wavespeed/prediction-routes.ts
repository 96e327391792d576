import { z } from 'zod';
import type { Account } from '../account.ts';
import type { Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import { isDataRemoved, type Prediction } from '../prediction.ts';
import { readJson } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { failure, notFound, success } from './answers.ts';
import { listItem, predictionData } from './wire.ts';

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

type ListQuery = z.output<typeof listSchema>;

const deleteSchema = z.object({ ids: z.array(z.string()).min(1) });

export const predictionRoutes: readonly Route[] = [
  { method: 'GET', path: /^\/api\/v3\/predictions\/(?<id>[^/]+)(?:\/result)?$/, handle: getPrediction } as const,
  { method: 'POST', path: /^\/api\/v3\/predictions$/, handle: listPredictions } as const,
  { method: 'POST', path: /^\/api\/v3\/predictions\/delete$/, handle: deletePredictions } as const,
  { method: 'DELETE', path: /^\/api\/v3\/predictions\/(?<id>[^/]+)$/, handle: deletePrediction } as const,
].map(withKey);

/** With its data the whole prediction is gone. */
function getPrediction({ account, parameters }: Exchange): Answer {
  const prediction = account.predictions.findVisible(parameters['id'] ?? '');
  if (!prediction || isDataRemoved(prediction, Date.now())) return notFound('prediction');
  return success(predictionData(prediction));
}

async function listPredictions({ account, request }: Exchange): Promise<Answer> {
  const query = listSchema.safeParse(await readJson(request));
  if (!query.success) return failure(400, z.prettifyError(query.error), 1401);
  const { page, page_size: pageSize } = query.data;
  const found = account.predictions.allVisible().filter((prediction) => matches(prediction, query.data));
  const items = found
    .slice((page - 1) * pageSize, page * pageSize)
    .map((prediction) => listItem(prediction, account.options.listsInput ?? true));
  return success({ items, page, page_size: pageSize, total: found.length });
}

function matches(prediction: Prediction, query: ListQuery): boolean {
  const { model, status, createdAtMs } = prediction;
  return (
    !isDataRemoved(prediction, Date.now()) &&
    (query.model ?? model) === model &&
    (query.status ?? status) === status &&
    createdAtMs >= (query.created_after ?? -Infinity) &&
    createdAtMs <= (query.created_before ?? Infinity)
  );
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
