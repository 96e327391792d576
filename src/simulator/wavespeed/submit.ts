import { json, text, type Answer } from '../answer.ts';
import { readJsonObject } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { submitTo, type SubmitAnswers } from '../submit.ts';
import type { InvalidInput } from '../validate-inputs.ts';
import { failure, notFound, success } from './answers.ts';
import { predictionData } from './wire.ts';

/** Any other POST below `/api/v3/` is a submit: model ids are paths. */
export const submit: Route = { method: 'POST', path: /^\/api\/v3\/(?<model>.+)$/, handle: handleSubmit };

const notAnObject: InvalidInput = { kind: 'invalid', message: 'the body must be a JSON object' };

async function handleSubmit(exchange: Exchange): Promise<Answer> {
  const input = await readJsonObject(exchange.request);
  return await submitTo(exchange, {
    modelId: exchange.parameters['model'] ?? '',
    input: input ?? {},
    webhook: exchange.url.searchParams.get('webhook') ?? undefined,
    problem: input ? undefined : notAnObject,
    answers: answersFor(exchange),
  });
}

function answersFor({ account: { limits } }: Exchange): SubmitAnswers {
  return {
    accepted: (prediction) => success(predictionData(prediction)),
    // That a 429 says which limit it means is assumed: the documents have no words of it.
    rateLimited: () => failure(429, `rate limit exceeded: ${limits.perMinute} videos per minute`),
    throttled,
    unknownModel: () => notFound('model'),
    invalidInput,
    overConcurrency: () => failure(429, `concurrent task limit exceeded: ${limits.outstanding} tasks`),
    noCredit: () => failure(403, 'insufficient balance, please top up your account'),
  };
}

function throttled(retryAfterSeconds: number | undefined): Answer {
  if (retryAfterSeconds === undefined) return text(429, 'Too Many Requests');
  return json(429, { code: 429, message: 'too many requests' }, { 'retry-after': String(retryAfterSeconds) });
}

function invalidInput({ kind, field, message }: InvalidInput): Answer {
  if (kind === 'missing') return failure(400, `missing required parameter: ${field}`, 1400);
  return failure(400, field === undefined ? message : `invalid parameter ${field}: ${message}`, 1401);
}
