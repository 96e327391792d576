import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import { showAccount } from '../../operations/show-account.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { videoNotFound } from '../job-path.ts';
import { adminJobObject } from './admin-job-object.ts';
import { anyJobOf } from './admin-request.ts';
import type { OperatorDeps } from './operator-deps.ts';

/** `GET /v1/admin/jobs/{id}`: any tenant's job, without what its caller has written. */
export function getAdminJob({ pool, operator }: OperatorDeps): RequestHandler<{ id: string }> {
  const { temporal, stuckAfterMs } = operator;
  return async (request, response) => {
    const id = anyJobOf(request);
    // Temporal is asked as well, for so long.
    const wait = beginDatabaseWait(limits.databaseWaitMsMax + limits.describeMsMax);
    const job = await wait.answered(showAccount({ db: pool, temporal, stuckAfterMs }, id));
    if (job === undefined) throw videoNotFound();
    response.set('cache-control', 'no-store').json(adminJobObject(job));
  };
}
