import { z } from 'zod';
import { failure, json, type Answer } from './answer.ts';
import { correlationOf } from './correlation.ts';
import { sumCounts } from './count-sums.ts';
import { faultPlanSchema } from './fault.ts';
import { isEnded, type Ending, type Prediction } from './prediction.ts';
import { readJson } from './read-body.ts';
import type { RootExchange, Route } from './route.ts';
import { failureOf } from './run-plan.ts';
import type { VendorRules } from './vendor-rules.ts';

/** No vendor's: how tests in other processes look behind the curtain, over all vendors. No key. */
export const controlRoutes: readonly Route<RootExchange>[] = [
  { method: 'GET', path: /^\/control\/counts$/, handle: count },
  { method: 'GET', path: /^\/control\/predictions$/, handle: listPredictions },
  { method: 'GET', path: /^\/control\/submits$/, handle: listSubmits },
  { method: 'POST', path: /^\/control\/faults$/, handle: replaceFaults },
  { method: 'POST', path: /^\/control\/finish\/(?<id>[^/]+)$/, handle: finish },
  { method: 'POST', path: /^\/control\/reset$/, handle: reset },
];

const finishSchema = z.object({
  status: z.enum(['completed', 'failed', 'cancelled']).default('completed'),
  code: z.number().int().default(1405),
});

function count({ world }: RootExchange): Answer {
  const snapshots = [...world.accounts].map(([name, { counts }]) => [name, counts.snapshot()] as const);
  const total = sumCounts(snapshots.map(([, snapshot]) => snapshot));
  return json(200, { ...total, by_vendor: Object.fromEntries(snapshots) });
}

function listPredictions({ world }: RootExchange): Answer {
  const accounts = [...world.accounts.values()];
  return json(
    200,
    accounts.flatMap(({ predictions }) => predictions.all().map(viewOf)),
  );
}

function listSubmits({ world }: RootExchange): Answer {
  const submits = [...world.accounts].flatMap(([vendor, { counts }]) =>
    counts.byWebhook().map((entry) => ({ vendor, ...entry, correlation: correlationOf(entry.webhook) })),
  );
  return json(200, submits);
}

async function replaceFaults({ world, request }: RootExchange): Promise<Answer> {
  const plan = faultPlanSchema.safeParse(await readJson(request));
  if (!plan.success) return failure(400, z.prettifyError(plan.error));
  world.faults.replacePlan(plan.data);
  return json(200, { rules: plan.data });
}

/** Ends a prediction now, and answers when its callbacks have had their first answers. */
async function finish({ world, parameters, request }: RootExchange): Promise<Answer> {
  const wish = finishSchema.safeParse(await readJson(request));
  if (!wish.success) return failure(400, z.prettifyError(wish.error));
  const id = parameters['id'] ?? '';
  const account = [...world.accounts.values()].find(({ predictions }) => predictions.find(id));
  const prediction = account?.predictions.find(id);
  if (!account || !prediction) return failure(404, 'no such prediction');
  if (isEnded(prediction)) return failure(409, 'prediction has ended');
  await account.finish(id, endingOf(wish.data, { prediction, vendor: account.vendor }));
  return json(200, viewOf(account.predictions.find(id) ?? prediction));
}

interface Subject {
  readonly prediction: Prediction;
  readonly vendor: VendorRules;
}

/** A vendor that can't stop a job, or not this one any more, does not bill for one that it dropped by itself. */
function endingOf({ status, code }: z.output<typeof finishSchema>, { prediction, vendor }: Subject): Ending {
  if (status === 'failed') return failureOf(code);
  if (status === 'completed') return { kind: 'completed' };
  return { kind: 'cancelled', billed: vendor.cancellationOf(prediction)?.billed ?? false };
}

function reset({ world }: RootExchange): Answer {
  world.reset();
  return json(200, {});
}

function viewOf({ id, vendor, model, status, webhook, input, createdAtMs, deleted, faults }: Prediction): object {
  return {
    id,
    vendor,
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
