import type { Express } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import type { AppDeps } from '../deps.ts';
import { readJsonBytes } from '../input/read-body.ts';
import { methodNotAllowed } from '../middleware/method-not-allowed.ts';
import { temporaryProblem } from '../problems/problem.ts';
import type { Operator } from './operator.ts';
import { getActions } from './get-actions.ts';
import { getAdminJob } from './get-admin-job.ts';
import { listPools } from './list-pools.ts';
import { listStuck } from './list-stuck.ts';
import { deletePause, getPauses, putPause } from './pauses.ts';
import { deletePoolLimits, putPoolLimits } from './pool-limits.ts';
import { repairBulk } from './repair-bulk.ts';
import { repairOne } from './repair-one.ts';

/** The calls by which operators look after the deployment. Mounted behind authentication, which asks for the scope `admin`. */
export function addAdminRoutes(handler: Express, app: AppDeps): void {
  const deps = { ...app, operator: app.operator ?? nobody };
  const readJson = readJsonBytes(limits.jsonBodyBytesMax);
  handler.route('/v1/admin/stuck').get(listStuck(deps)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/admin/jobs/:id').get(getAdminJob(deps)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/admin/jobs/:id/repairs').post(readJson, repairOne(deps)).all(methodNotAllowed('POST'));
  handler.route('/v1/admin/repairs').post(readJson, repairBulk(deps)).all(methodNotAllowed('POST'));
  handler.route('/v1/admin/pools').get(listPools(deps)).all(methodNotAllowed('GET, HEAD'));
  handler
    .route('/v1/admin/pools/:pool/limits')
    .put(readJson, putPoolLimits(deps))
    .delete(deletePoolLimits(deps))
    .all(methodNotAllowed('PUT, DELETE'));
  handler.route('/v1/admin/pauses').get(getPauses(deps)).all(methodNotAllowed('GET, HEAD'));
  handler
    .route('/v1/admin/pauses/:kind/:subject')
    .put(readJson, putPause(deps))
    .delete(deletePause(deps))
    .all(methodNotAllowed('PUT, DELETE'));
  handler.route('/v1/admin/actions').get(getActions(deps)).all(methodNotAllowed('GET, HEAD'));
}

/** Where nobody has said how Temporal is reached, no workflow can be asked. */
const nobody: Operator = {
  temporal: () => Promise.reject(temporaryProblem('overloaded')),
  stuckAfterMs: 600_000,
};
