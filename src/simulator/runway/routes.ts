import { json, text, type Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import { isDataRemoved } from '../prediction.ts';
import { readJsonObject } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { submitTo, type SubmitAnswers } from '../submit.ts';
import { notFound, refusal } from './answers.ts';
import { taskData } from './wire.ts';

export const routes: readonly Route[] = [
  withKey({ method: 'GET', path: /^\/v1\/tasks\/(?<id>[^/]+)$/, handle: getTask }),
  withKey({ method: 'DELETE', path: /^\/v1\/tasks\/(?<id>[^/]+)$/, handle: deleteTask }),
  // A submit with a bad key is counted, so it looks at the key by itself.
  { method: 'POST' as const, path: /^\/v1\/(?<route>text_to_video|image_to_video)$/, handle: submit },
].map(withVersion);

/** "Should not expect updates more frequent than once every five seconds." */
const pollEveryMsMin = 5_000;

function withVersion(route: Route): Route {
  return {
    ...route,
    handle: (exchange) =>
      exchange.request.headers['x-runway-version'] === '2024-11-06'
        ? route.handle(exchange)
        : refusal(400, 'The X-Runway-Version header must name a version of the API.'),
  };
}

function getTask({ account, parameters }: Exchange): Answer {
  const task = account.predictions.findVisible(parameters['id'] ?? '');
  if (!task || isDataRemoved(task, Date.now())) return notFound('task');
  account.counts.polled(task.id, { nowMs: Date.now(), everyMsMin: pollEveryMsMin });
  return json(200, taskData(task, account));
}

/** Stops what has not ended, and removes what has: neither can be found any more. */
function deleteTask({ account, parameters }: Exchange): Answer {
  const id = parameters['id'] ?? '';
  account.cancel(id);
  return account.forget(id) ? { kind: 'bytes', status: 204, headers: {}, body: Buffer.alloc(0) } : notFound('task');
}

async function submit(exchange: Exchange): Promise<Answer> {
  const body = await readJsonObject(exchange.request);
  const { model = '', ...input } = body ?? {};
  return await submitTo(exchange, {
    modelId: `${exchange.parameters['route']}/${typeof model === 'string' ? model : ''}`,
    input,
    problem: body ? undefined : { kind: 'invalid', message: 'the body must be a JSON object' },
    answers,
  });
}

const answers: SubmitAnswers = {
  accepted: ({ id }) => json(200, { id }),
  rateLimited: () => refusal(429, 'Too many requests.'),
  throttled,
  unknownModel: () => refusal(400, 'Validation of body failed: model: invalid value'),
  invalidInput: ({ field = 'body', message }) => refusal(400, `Validation of body failed: ${field}: ${message}`),
  // Whatever is too much waits.
  overConcurrency: () => refusal(429, 'Too many requests.'),
  noCredit: () => refusal(400, 'You do not have enough credits to run this task.'),
};

function throttled(retryAfterSeconds: number | undefined): Answer {
  if (retryAfterSeconds === undefined) return text(429, 'Too Many Requests');
  return refusal(429, 'Too many requests.', { 'retry-after': String(Math.ceil(retryAfterSeconds)) });
}
