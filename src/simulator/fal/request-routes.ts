import { json, type Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import { isDataRemoved, isEnded, type Prediction } from '../prediction.ts';
import type { Exchange, Route } from '../route.ts';
import { answerOf, notFound, refusal } from './answers.ts';
import { errorOf } from './errors.ts';
import { appOf, outputData, stateData } from './wire.ts';

export const requestRoutes: readonly Route[] = [
  { method: 'GET', path: /^\/(?<app>.+)\/requests\/(?<id>[^/]+)\/status$/, handle: getState } as const,
  { method: 'GET', path: /^\/(?<app>.+)\/requests\/(?<id>[^/]+)$/, handle: getResult } as const,
  { method: 'PUT', path: /^\/(?<app>.+)\/requests\/(?<id>[^/]+)\/cancel$/, handle: cancel } as const,
].map(withKey);

/** Only below its own app: a path that keeps the model's own sub-path leads nowhere. */
function requestOf({ account, parameters }: Exchange): Prediction | undefined {
  const request = account.predictions.findVisible(parameters['id'] ?? '');
  return request && appOf(request.model) === parameters['app'] ? request : undefined;
}

function getState(exchange: Exchange): Answer {
  const request = requestOf(exchange);
  if (!request) return notFound('Request');
  return json(200, stateData(request, exchange.account.queuePositionOf(request.id) ?? 0));
}

/** The result is whatever the model answered, marked with the request that it answered. */
function getResult(exchange: Exchange): Answer {
  const request = requestOf(exchange);
  if (!request) return notFound('Request');
  if (!isEnded(request)) return refusal(400, 'Request is still in progress');
  // The state stays, and with it the proof that there once was a result.
  if (isDataRemoved(request, Date.now())) return notFound('Result');
  const error = errorOf(request);
  return marked(error ? answerOf(error) : json(200, outputData(request)), request.id);
}

function marked(answer: Answer, id: string): Answer {
  return answer.kind === 'json' ? { ...answer, headers: { ...answer.headers, 'x-fal-request-id': id } } : answer;
}

function cancel(exchange: Exchange): Answer {
  const request = requestOf(exchange);
  if (!request) return json(404, { status: 'NOT_FOUND' });
  const stopped = exchange.account.cancel(request.id);
  return stopped ? json(202, { status: 'CANCELLATION_REQUESTED' }) : json(400, { status: 'ALREADY_COMPLETED' });
}
