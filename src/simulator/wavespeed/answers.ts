import { json, type Answer } from '../answer.ts';
import { errorEnvelope, successEnvelope } from './wire.ts';

export function success(data: unknown): Answer {
  return json(200, successEnvelope(data));
}

export function failure(status: number, message: string, errorCode?: number): Answer {
  return json(status, errorEnvelope(status, message, errorCode));
}

export function notFound(what: string): Answer {
  return failure(404, `${what} not found`);
}
