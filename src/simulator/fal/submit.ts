import { json, type Answer } from '../answer.ts';
import { readJsonObject } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { submitTo, type SubmitAnswers } from '../submit.ts';
import type { InvalidInput } from '../validate-inputs.ts';
import { answerOf, invalidInput, notFound, refusal, throttled } from './answers.ts';
import { platformError } from './errors.ts';
import { submissionData } from './wire.ts';

/** Any other POST is a submit: an endpoint's id is a path. */
export const submit: Route = { method: 'POST', path: /^\/(?<model>.+)$/, handle: handleSubmit };

const timeoutHeader = 'x-fal-request-timeout';
const timeoutSecondsMin = 0.1;
const notAnObject: InvalidInput = { kind: 'invalid', message: 'Input should be a valid dictionary' };
const badTimeout: InvalidInput = { kind: 'invalid', field: timeoutHeader, message: 'must be a number above 0.1' };

async function handleSubmit(exchange: Exchange): Promise<Answer> {
  const input = await readJsonObject(exchange.request);
  const deadlineMs = readTimeoutMs(exchange);
  return await submitTo(exchange, {
    modelId: exchange.parameters['model'] ?? '',
    input: input ?? {},
    webhook: exchange.url.searchParams.get('fal_webhook') ?? undefined,
    deadlineMs: deadlineMs === 'malformed' ? undefined : deadlineMs,
    problem: problemOf(input, deadlineMs),
    answers: answersFor(exchange),
  });
}

function readTimeoutMs({ request }: Exchange): number | undefined | 'malformed' {
  const text = request.headers[timeoutHeader];
  if (text === undefined) return undefined;
  const seconds = Number(text);
  return seconds > timeoutSecondsMin && Number.isFinite(seconds) ? seconds * 1_000 : 'malformed';
}

function problemOf(input: object | undefined, deadlineMs: number | undefined | 'malformed'): InvalidInput | undefined {
  if (deadlineMs === 'malformed') return badTimeout;
  return input ? undefined : notAnObject;
}

function answersFor({ account }: Exchange): SubmitAnswers {
  return {
    accepted: (prediction) => json(200, submissionData(prediction, account.queuePositionOf(prediction.id) ?? 0)),
    rateLimited: () => refusal(429, 'Rate limit exceeded'),
    throttled,
    unknownModel: () => notFound('Application'),
    invalidInput,
    // Documented for calls past the queue; the queue lets whatever is too much wait.
    overConcurrency: () => answerOf(platformError(429, 'concurrent_requests_limit', 'Too many concurrent requests')),
    noCredit: () => refusal(403, 'User is locked. Reason: Exhausted balance. Top up your balance.'),
  };
}
