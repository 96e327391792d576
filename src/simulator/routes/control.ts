import { z } from 'zod';
import { failure, json, notFound, type Answer } from '../answer.ts';
import { correlationOf } from '../correlation.ts';
import { faultPlanSchema } from '../fault.ts';
import { isEnded, type Prediction } from '../prediction.ts';
import { readJson } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { failureOf } from '../run-plan.ts';

/** Not the vendor's: how tests in other processes look behind the curtain. No key. */
export const controlRoutes: readonly Route[] = [
  { method: 'GET', path: /^\/control\/counts$/, handle: ({ account }) => json(200, account.counts.snapshot()) },
  {
    method: 'GET',
    path: /^\/control\/predictions$/,
    handle: ({ account }) => json(200, account.predictions.all().map(viewOf)),
  },
  { method: 'GET', path: /^\/control\/submits$/, handle: listSubmits },
  { method: 'POST', path: /^\/control\/faults$/, handle: replaceFaults },
  { method: 'POST', path: /^\/control\/finish\/(?<id>[^/]+)$/, handle: finish },
  { method: 'POST', path: /^\/control\/reset$/, handle: reset },
];

const finishSchema = z.object({
  status: z.enum(['completed', 'failed']).default('completed'),
  code: z.number().int().default(1405),
});

function listSubmits({ account }: Exchange): Answer {
  const submits = account.counts.byWebhook();
  return json(
    200,
    submits.map((entry) => ({ ...entry, correlation: correlationOf(entry.webhook) })),
  );
}

async function replaceFaults({ account, request }: Exchange): Promise<Answer> {
  const plan = faultPlanSchema.safeParse(await readJson(request));
  if (!plan.success) return failure(400, z.prettifyError(plan.error));
  account.faults.replacePlan(plan.data);
  return json(200, { rules: plan.data });
}

/** Ends a prediction now, and answers when its callbacks have had their first answers. */
async function finish({ account, parameters, request }: Exchange): Promise<Answer> {
  const wish = finishSchema.safeParse(await readJson(request));
  if (!wish.success) return failure(400, z.prettifyError(wish.error));
  const id = parameters['id'] ?? '';
  const prediction = account.predictions.find(id);
  if (!prediction) return notFound('prediction');
  if (isEnded(prediction)) return failure(409, 'prediction has ended');
  await account.finish(id, wish.data.status === 'completed' ? { kind: 'completed' } : failureOf(wish.data.code));
  return json(200, viewOf(account.predictions.find(id) ?? prediction));
}

function reset(exchange: Exchange): Answer {
  exchange.reset();
  return json(200, {});
}

function viewOf({ id, model, status, webhook, input, createdAtMs, deleted, faults }: Prediction): object {
  return {
    id,
    model,
    status,
    webhook: webhook ?? null,
    correlation: correlationOf(webhook) ?? null,
    input,
    created_at: new Date(createdAtMs).toISOString(),
    deleted,
    faults: faults.map(({ kind }) => kind),
  };
}
