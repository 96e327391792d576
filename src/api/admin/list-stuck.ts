import type { RequestHandler } from 'express';
import { findStuckJobs } from '../../db/stuck/stuck-jobs.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { parsed } from '../schemas.ts';
import { listObject, stuckJobObject } from './admin-objects.ts';
import type { OperatorDeps } from './operator-deps.ts';
import { stuckQuerySchema } from './admin-schemas.ts';

/** `GET /v1/admin/stuck`: jobs that do not get on, the longest first, with what to do. */
export function listStuck({ pool, reports, operator }: OperatorDeps): RequestHandler {
  return async (request, response) => {
    const { cause, tenant, limit = limits.adminListDefault } = parsed(stuckQuerySchema, request.query);
    const query = { limit, stuckAfterMs: operator.stuckAfterMs, ...(cause && { cause }), ...(tenant && { tenant }) };
    const jobs = await beginDatabaseWait(limits.usageReadMsMax).answered(findStuckJobs(reports ?? pool, query));
    response.set('cache-control', 'no-store').json(listObject(jobs.map(stuckJobObject)));
  };
}
