import type { Repair, RepairResult } from '../../operations/repair.ts';
import type { RepairedJob } from '../../operations/repair-many.ts';
import { Problem } from '../problems/problem.ts';
import { videoNotFound } from '../job-path.ts';
import type { RepairFields } from './admin-schemas.ts';

/** A repair as a body asks for it. */
export function repairOf(fields: RepairFields, by: string): Repair {
  const { reason } = fields;
  switch (fields.repair) {
    case 'poll_now':
      return { name: 'pollNow', order: { by, reason } };
    case 'switch_target':
      return { name: 'switchTarget', order: { by, reason, target: fields.target, ...forced(fields.force) } };
    case 'resubmit':
      return { name: 'resubmit', order: { by, reason, ...forced(fields.force) } };
    case 'extend_deadline':
      return { name: 'extendDeadline', order: { by, reason, seconds: fields.seconds } };
    case 'give_up':
      return { name: 'giveUp', order: { by, reason } };
  }
}

function forced(force: boolean | undefined): { readonly force?: boolean } {
  return force === undefined ? {} : { force };
}

/** What came of the repair of one job. Whatever was not done is a problem. */
export function repairObject(result: RepairResult, { id, repair }: { readonly id: string; readonly repair: string }) {
  if (result.kind === 'done') return { object: 'repair', id, repair, outcome: 'done', detail: result.answer.outcome };
  const detail = result.reason;
  switch (result.kind) {
    case 'not_found':
      throw videoNotFound();
    case 'final':
      throw new Problem('job_final', { detail });
    case 'reused':
      throw new Problem('idempotency_key_reused', { detail });
    case 'refused':
      throw new Problem('repair_refused', { detail });
    case 'away':
    case 'silent':
      throw new Problem('temporal_unavailable', { detail, headers: { 'retry-after': '5' } });
  }
}

/** One of many. */
export function repairedObject({ job, result }: RepairedJob) {
  const { jobId: id, tenant, target } = job;
  if (result === null) return { id, tenant, target, outcome: 'planned' as const, detail: null };
  const detail = result.kind === 'done' ? result.answer.outcome : result.reason;
  return { id, tenant, target, outcome: result.kind, detail };
}
