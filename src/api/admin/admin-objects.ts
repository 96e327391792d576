import type { RecordedAction } from '../../db/control/operator-actions.ts';
import type { LimitOverride, PoolControl } from '../../db/control/pool-controls.ts';
import type { StuckJob } from '../../db/stuck/stuck-jobs.ts';
import type { Pause } from '../../domain/control.ts';
import { adviceOf } from '../../domain/stuck-advice.ts';

/** What operators are shown: ids, names and moments, and nothing that callers have written. */
export function listObject<Item>(data: readonly Item[]) {
  return { object: 'list' as const, data };
}

export function stuckJobObject(job: StuckJob) {
  const { jobId, tenant, model, phase, target, provider } = job;
  return {
    id: jobId,
    object: 'stuck_job' as const,
    tenant,
    model,
    status: phase,
    target,
    provider,
    stuck: stuckObject(job),
  };
}

function stuckObject(job: StuckJob) {
  const { cause, since, attempt = null } = job.stuck;
  const { sentence, nextStep, command } = adviceOf(job.stuck, job);
  return { cause, since: new Date(since).toISOString(), attempt, sentence, next_step: nextStep, command };
}

export function pauseObject({ kind, subject, drains, actor, reason, at, until }: Pause) {
  return { object: 'pause' as const, kind, subject, drains, actor, reason, at, until };
}

export function actionObject({ id, at, actor, action, subject, reason, detail }: RecordedAction) {
  return { id, object: 'operator_action' as const, at, actor, action, subject, reason, detail };
}

export function poolObject(pool: PoolControl) {
  const { outstandingMax, perMinuteMax, workingMax, override, isPaused, held, zombies, waiting } = pool;
  return {
    id: pool.pool,
    object: 'pool' as const,
    provider: pool.provider,
    outstanding_max: outstandingMax,
    per_minute_max: perMinuteMax,
    working_max: workingMax,
    override: override && overrideObject(override),
    paused: isPaused,
    held,
    zombies,
    waiting,
    targets: pool.targets.map(({ waitReason, ...target }) => ({ ...target, wait_reason: waitReason })),
  };
}

function overrideObject({ outstandingMax, perMinuteMax, actor, reason, at, expiresAt }: LimitOverride) {
  return { outstanding_max: outstandingMax, per_minute_max: perMinuteMax, actor, reason, at, expires_at: expiresAt };
}
