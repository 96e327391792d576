import { hash, randomUUID } from 'node:crypto';
import type { Request } from 'express';
import { isPauseKind, type PauseKind } from '../../domain/control.ts';
import { isJobId, type JobId } from '../../domain/job.ts';
import { idempotencyKeyOf } from '../accept/idempotency.ts';
import { callerOf } from '../auth/caller.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';
import type { RepairFields } from './admin-schemas.ts';

/** Who asks, as it is written down: the key by its id; `operator` is the static key, or nobody's on loopback. */
export function actorOf(request: Request): string {
  const { keyId } = callerOf(request);
  return keyId === null ? 'operator' : `key ${keyId}`;
}

/** The id under which something is asked for: by its Idempotency-Key, if there is one, it is done once. A key may be long. */
export function requestOf(request: Request, what: readonly string[] = []): string {
  const key = idempotencyKeyOf(request);
  return key === undefined ? randomUUID() : ['api', actorOf(request), hash('sha256', key), ...what].join(' ');
}

/** Whoever repeats it because they heard no answer, and has no key to repeat it under, would pay once more. */
export function refuseForceWithoutKey(request: Request, fields: RepairFields): void {
  if ('force' in fields && fields.force === true && idempotencyKeyOf(request) === undefined)
    throw fieldProblem(
      'invalid_request',
      '/force',
      'Send it with an Idempotency-Key: repeated under it, it is done once.',
    );
}

/** The job that a path names, whoever's it is. It may not exist, but its id is one. */
export function anyJobOf(request: Request<{ id: string }>): JobId {
  const { id } = request.params;
  if (isJobId(id)) return id;
  throw fieldProblem('invalid_id', '/id', 'The id in the path has to be `video_` and a UUID of version 7.');
}

export interface Subject {
  readonly kind: PauseKind;
  readonly subject: string;
}

/** What a path names. It may not exist. */
export function subjectOf({ params }: Request<{ kind: string; subject: string }>): Subject {
  const { kind } = params;
  if (!isPauseKind(kind))
    throw new Problem('not_found', { detail: 'What can be paused is a target, a pool or a tenant.' });
  return { kind, subject: nameOf(params.subject) };
}

/** Names of targets have slashes, which many a proxy undoes when they are encoded: in a path they are written `~`. */
export function nameOf(segment: string): string {
  if (segment.includes('\0')) throw new Problem('subject_not_found');
  return segment.replaceAll('~', '/');
}
