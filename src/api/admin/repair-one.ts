import type { RequestHandler } from 'express';
import { repairJob } from '../../operations/repair-job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { parsed } from '../schemas.ts';
import { actorOf, anyJobOf, refuseForceWithoutKey, requestOf } from './admin-request.ts';
import { repairSchema } from './admin-schemas.ts';
import type { OperatorDeps } from './operator-deps.ts';
import { repairObject, repairOf } from './repair-answers.ts';

/** `POST /v1/admin/jobs/{id}/repairs`: the same update as from Temporal UI. */
export function repairOne({ pool, operator, notifyMail }: OperatorDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const id = anyJobOf(request);
    const fields = parsed(repairSchema, jsonFieldsOf(request));
    const order = { jobId: id, repair: repairOf(fields, actorOf(request)), request: requestOf(request) };
    refuseForceWithoutKey(request, fields);
    const result = await beginDatabaseWait(limits.repairMsMax).answered(
      repairJob({ db: pool, temporal: operator.temporal, notifyMail }, order),
    );
    response.json(repairObject(result, { id, repair: fields.repair }));
  };
}
