import { json, text, type Answer } from '../answer.ts';
import type { InvalidInput } from '../validate-inputs.ts';
import { bodyOf, modelError, platformError, type FalError } from './errors.ts';

export function answerOf(error: FalError): Answer {
  const headers =
    error.kind === 'model' ? { 'x-fal-retryable': String(error.retryable) } : { 'x-fal-error-type': error.type };
  return json(error.status, bodyOf(error), headers);
}

export function refusal(status: number, detail: string): Answer {
  return json(status, { detail });
}

export function notFound(what: string): Answer {
  return refusal(404, `${what} not found`);
}

export function throttled(retryAfterSeconds: number | undefined): Answer {
  if (retryAfterSeconds === undefined) return text(429, 'Too Many Requests');
  return json(429, { detail: 'Too many requests' }, { 'retry-after': String(retryAfterSeconds) });
}

/** A header is the platform's concern; what is in the body is the model's. */
export function invalidInput({ kind, field, message }: InvalidInput): Answer {
  if (field?.startsWith('x-fal-')) return answerOf(platformError(400, 'bad_request', `${field} ${message}`));
  const type = kind === 'missing' ? 'missing' : 'value_error';
  return answerOf(modelError(422, { type, msg: message, loc: ['body', ...(field === undefined ? [] : [field])] }));
}
