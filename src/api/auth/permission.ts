import type { Scope } from '../../domain/tenant.ts';
import type { Caller } from './caller.ts';
import { videoNotFound } from '../job-path.ts';
import { Problem } from '../problems/problem.ts';

/** What a request wants, by its first line. */
export interface Wanted {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
}

/** Throws unless the caller may do what the request wants. Whatever is not known to be allowed is refused. */
export function refuseUnlessAllowed(caller: Caller, wanted: Wanted): void {
  if (caller.jobId !== null) {
    refuseUnlessOwnJob(caller.jobId, wanted);
    return;
  }
  const scope = scopeOf(wanted);
  if (!caller.scopes.includes(scope))
    throw insufficientScope(`The key has not the scope \`${scope}\`. Use one that has, or have one made.`, scope);
}

/** Express knows paths in any case, so this does too. */
function scopeOf({ method, path }: Wanted): Scope {
  if (/^\/v1\/admin(?:\/|$)/i.test(path)) return 'admin';
  if (/^\/v1\/webhook_/i.test(path)) return 'webhooks';
  return isReading(method) ? 'read' : 'write';
}

function refuseUnlessOwnJob(jobId: string, { method, path }: Wanted): void {
  const route = /^\/v1\/(?:videos\/([^/]+)(?:\/events|\/content)?|stream)$/.exec(path);
  if (route === null || !isReading(method))
    throw insufficientScope(
      'A client token reads one video: GET /v1/videos/{id}, its /events, its /content, and /v1/stream. ' +
        'Anything else takes an API key, on a server of yours.',
      'read',
    );
  const [, asked = jobId] = route;
  if (asked !== jobId) throw videoNotFound();
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

function insufficientScope(detail: string, scope: Scope): Problem {
  const challenge = `Bearer error="insufficient_scope", scope="${scope}"`;
  return new Problem('insufficient_scope', { detail, headers: { 'www-authenticate': challenge } });
}
