import type { RequestHandler } from 'express';
import { repairMany } from '../../operations/repair-many.ts';
import { limits } from '../../domain/limits/limits.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { parsed } from '../schemas.ts';
import { listObject } from './admin-objects.ts';
import { actorOf, refuseForceWithoutKey, requestOf } from './admin-request.ts';
import { bulkRepairSchema } from './admin-schemas.ts';
import type { OperatorDeps } from './operator-deps.ts';
import { repairedObject, repairOf } from './repair-answers.ts';

/** `POST /v1/admin/repairs`: every job that is stuck for one cause, each with its own outcome. */
export function repairBulk({ pool, reports, operator, notifyMail }: OperatorDeps): RequestHandler {
  return async (request, response) => {
    const fields = parsed(bulkRepairSchema, jsonFieldsOf(request));
    refuseForceWithoutKey(request, fields);
    const repairing = repairMany(
      { db: pool, temporal: operator.temporal, notifyMail, ...(reports && { reports }) },
      {
        cause: fields.cause,
        repair: repairOf(fields, actorOf(request)),
        limit: fields.limit,
        isDryRun: fields.dry_run,
        request: requestOf(request),
        stuckAfterMs: operator.stuckAfterMs,
      },
    );
    const repaired = await beginDatabaseWait(limits.usageReadMsMax + limits.repairMsMax).answered(repairing);
    response.json(listObject(repaired.map(repairedObject)));
  };
}
