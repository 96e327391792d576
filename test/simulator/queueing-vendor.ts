import { json } from '../../src/simulator/answer.ts';
import { withKey } from '../../src/simulator/authorize.ts';
import { readJsonObject } from '../../src/simulator/read-body.ts';
import { isDataRemoved, outputUrlOf, type Prediction } from '../../src/simulator/prediction.ts';
import { uuidOf } from '../../src/simulator/random.ts';
import type { Exchange, Route } from '../../src/simulator/route.ts';
import { submitTo, type SubmitAnswers } from '../../src/simulator/submit.ts';
import type { SimulatedVendor } from '../../src/simulator/vendor.ts';

const limits = { outstanding: 1, perMinute: 100 };

/** A vendor of few words that lets predictions wait, stops them on demand, and signs its callbacks asynchronously. */
export const queueingVendor: SimulatedVendor = {
  name: 'runway',
  models: [
    {
      id: 'gen',
      typicalSeconds: 60,
      required: ['promptText'],
      fields: { promptText: { type: 'string' } },
      usdMicrosPerSecond: () => 200_000,
    },
  ],
  promptField: 'promptText',
  authorization: 'Key',
  routes: [
    withKey({ method: 'GET', path: /^\/tasks\/(?<id>[^/]+)$/, handle: getTask }),
    withKey({ method: 'PUT', path: /^\/tasks\/(?<id>[^/]+)\/cancel$/, handle: cancelTask }),
    { method: 'GET', path: /^\/broken$/, handle: () => Promise.reject(new Error('broken')) },
    submitRoute(),
  ],
  tiers: { bronze: limits, silver: limits, gold: limits, ultra: limits },
  overConcurrency: 'wait',
  idOf: uuidOf,
  callbacks: {
    retriesMax: 1,
    firstRetryDelayMs: 1_000,
    bodyOf: ({ id, status }) => (status === 'processing' ? undefined : { task: id, status }),
    headersOf: async ({ id, secret }) => ({ 'x-signature': await Promise.resolve(`${id} ${secret}`) }),
  },
  cancellationOf: ({ status }) => ({ billed: status === 'processing' }),
  retentionMs: 1_000,
  errors: {
    unauthorized: () => json(401, { fault: 'key' }),
    notFound: (what) => json(404, { fault: what }),
    internal: () => json(500, { fault: 'ours' }),
  },
};

function submitRoute(): Route {
  return {
    method: 'POST',
    path: /^\/(?<model>[^/]+)$/,
    handle: async (exchange) => {
      const input = (await readJsonObject(exchange.request)) ?? {};
      const webhook = exchange.url.searchParams.get('hook') ?? undefined;
      return submitTo(exchange, { modelId: exchange.parameters['model'] ?? '', input, webhook, answers });
    },
  };
}

const answers: SubmitAnswers = {
  accepted: ({ id, baseUrl }) => json(202, { id, url: `${baseUrl}/tasks/${id}` }),
  rateLimited: () => json(429, { fault: 'rate' }),
  throttled: (retryAfterSeconds) => json(429, { fault: 'throttled', retryAfterSeconds }),
  unknownModel: () => json(404, { fault: 'model' }),
  invalidInput: (problem) => json(422, { fault: problem }),
  overConcurrency: () => json(429, { fault: 'concurrency' }),
  noCredit: () => json(402, { fault: 'credit' }),
};

function getTask({ account, parameters }: Exchange) {
  const task = account.predictions.findVisible(parameters['id'] ?? '');
  if (!task) return account.vendor.errors.notFound('task');
  const position = account.queuePositionOf(task.id);
  return json(200, { status: task.status, position, ...outputOf(task) });
}

function outputOf(task: Prediction) {
  if (isDataRemoved(task, Date.now())) return { removed: true };
  return task.status === 'completed' ? { output: outputUrlOf(task) } : {};
}

function cancelTask({ account, parameters }: Exchange) {
  return json(account.cancel(parameters['id'] ?? '') ? 202 : 400, {});
}
