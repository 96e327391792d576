import { readKey, tokenOf } from './session.js';

/** An answer that is a problem (RFC 9457), or none at all. */
export class ProblemError extends Error {
  /** @param {Problem} problem @param {number} [retryAfterSeconds] */
  constructor(problem, retryAfterSeconds) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Milliseconds. A large picture on a slow line takes its time; nothing else does. */
const uploadWithinMs = 180_000;
const answerWithinMs = 30_000;

/**
 * One call of the API, with the key where there is one. Throws a `ProblemError` for whatever is not an answer.
 * @param {string} path
 * @param {{ method?: string, body?: FormData, headers?: Record<string, string> }} [options]
 * @returns {Promise<{ body: any, response: Response }>}
 */
export async function call(path, { method = 'GET', body, headers = {} } = {}) {
  const response = await answerOf(path, {
    method,
    headers: { accept: 'application/json', ...authorization(), ...headers },
    cache: 'no-store',
    signal: AbortSignal.timeout(body === undefined ? answerWithinMs : uploadWithinMs),
    ...(body === undefined ? {} : { body }),
  });
  const answered = await response.json().catch(() => undefined);
  if (response.ok && answered !== undefined) return { body: answered, response };
  throw new ProblemError(problemOf(response, answered), retryAfterOf(response));
}

/** Seconds that the answer asks us to wait. Undefined: it does not say. @param {Response} response */
export function retryAfterOf(response) {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}

/**
 * A URL that the browser itself may call, as it can't send the key: with the video's token, or as it is where no key is
 * asked for. Undefined: there is a key, and no token.
 * @param {string} path @param {string} id
 */
export function linkOf(path, id) {
  const token = tokenOf(id);
  if (token !== undefined && readKey() !== '') return `${path}?token=${encodeURIComponent(token)}`;
  return readKey() === '' ? path : undefined;
}

/** The video itself, to be played from memory, where there is no link to it. @param {string} id */
export async function contentOf(id) {
  const path = `/v1/videos/${id}/content`;
  const response = await answerOf(path, { headers: authorization(), signal: AbortSignal.timeout(uploadWithinMs) });
  if (response.ok) return await response.blob();
  throw new ProblemError(problemOf(response, await response.json().catch(() => undefined)));
}

/** What to do about a problem, by the page that its code has. @param {string} code @returns {Promise<string | undefined>} */
export async function nextStepOf(code) {
  if (!/^[a-z_]+$/.test(code)) return undefined;
  try {
    const options = { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(answerWithinMs) };
    const response = await fetch(`/problems/${code}`, options);
    return response.ok ? (await response.json()).next : undefined;
  } catch {
    return undefined;
  }
}

/** @returns {Record<string, string>} */
function authorization() {
  const key = readKey();
  return key === '' ? {} : { authorization: `Bearer ${key}` };
}

/** @param {string} path @param {RequestInit} options */
async function answerOf(path, options) {
  try {
    return await fetch(path, options);
  } catch (cause) {
    const late = cause instanceof DOMException && cause.name === 'TimeoutError';
    throw new ProblemError({
      code: 'unreachable',
      title: late ? 'The server took too long.' : 'The server does not answer.',
      detail: 'Check that it runs and that you are online, then try again. Nothing is paid twice.',
    });
  }
}

/** @param {Response} response @param {any} body @returns {Problem} */
function problemOf(response, body) {
  if (typeof body?.code === 'string' && typeof body.title === 'string') return body;
  return {
    code: 'unexpected',
    status: response.status,
    title: `The server answered ${response.status}.`,
    detail: 'It did not say why. Try again in a moment.',
  };
}
