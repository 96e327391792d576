import { json, type Answer } from '../answer.ts';

interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly invalid_fields?: readonly object[];
}

/** Replicate's errors: problems in the manner of RFC 9457. */
export function problem(status: number, { title, ...rest }: Problem): Answer {
  return json(status, { title, ...rest, status }, { 'content-type': 'application/problem+json' });
}

export function unauthenticated(): Answer {
  return problem(401, { title: 'Unauthenticated', detail: 'You did not pass a valid authentication token' });
}

export function notFound(): Answer {
  return problem(404, { title: 'Not Found', detail: 'The requested resource could not be found.' });
}

export function invalid(detail: string, field?: string): Answer {
  const fields = field === undefined ? {} : { invalid_fields: [{ field: `input.${field}`, description: detail }] };
  return problem(422, { title: 'Input validation failed', detail, ...fields });
}

/** The one error without a title, and without a header for the wait: it stands in the body. */
export function throttled(seconds: number): Answer {
  const wait = Math.ceil(seconds);
  const detail = `Request was throttled. Your rate limit resets in ~${wait}s.`;
  return json(429, { detail, status: 429, retry_after: wait });
}
