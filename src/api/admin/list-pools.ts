import type { RequestHandler } from 'express';
import { readPoolControls } from '../../db/control/pool-controls.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { listObject, poolObject } from './admin-objects.ts';
import type { OperatorDeps } from './operator-deps.ts';

/** `GET /v1/admin/pools`: every provider account, its limits, its targets, and who waits. */
export function listPools({ pool, reports }: OperatorDeps): RequestHandler {
  return async (_request, response) => {
    const pools = await beginDatabaseWait(limits.usageReadMsMax).answered(readPoolControls(reports ?? pool));
    response.set('cache-control', 'no-store').json(listObject(pools.map(poolObject)));
  };
}
