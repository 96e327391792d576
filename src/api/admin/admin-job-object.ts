import type { JobAccount } from '../../db/stuck/job-account.ts';
import type { ShownJob, ShownStuck } from '../../operations/show-account.ts';
import type { WorkflowView } from '../../operations/workflow-view.ts';

/** One job as `npm run ops -- show` has it. */
export function adminJobObject(job: ShownJob) {
  return {
    id: job.id,
    object: 'admin.job' as const,
    tenant: job.tenant,
    model: job.model,
    status: job.phase,
    route: job.route,
    accepted_at: job.acceptedAt,
    queue_deadline: job.queueDeadline,
    dispatched_at: job.dispatchedAt,
    started_at: job.startedAt,
    run_deadline: job.runDeadline,
    cancel_requested_at: job.cancelRequestedAt,
    finished_at: job.finishedAt,
    failure_code: job.failureCode,
    deleted: job.isErased,
    stuck: job.stuck && shownStuckObject(job.stuck),
    ticket: job.ticket && ticketObject(job.ticket),
    permits: job.permits.map(permitObject),
    attempts: job.attempts.map(attemptObject),
    mail: job.mail.map(({ kind, attempt, createdAt, tries }) => ({ kind, attempt, created_at: createdAt, tries })),
    webhooks: job.webhooks.map(webhookObject),
    events: job.events,
    actions: job.actions,
    workflow: workflowObject(job.workflow),
  };
}

function shownStuckObject({ nextStep, cause, since, attempt, sentence, command }: ShownStuck) {
  return { cause, since, attempt, sentence, next_step: nextStep, command };
}

function ticketObject(ticket: NonNullable<JobAccount['ticket']>) {
  const { attempt, kind, pool, target, waitingSince, parkedUntil, isOverBudget, waitReason } = ticket;
  return {
    attempt,
    kind,
    pool,
    target,
    waiting_since: waitingSince,
    parked_until: parkedUntil,
    over_budget: isOverBudget,
    wait_reason: waitReason,
  };
}

function permitObject({ attempt, pool, target, grantedAt, zombieSince }: JobAccount['permits'][number]) {
  return { attempt, pool, target, granted_at: grantedAt, zombie_since: zombieSince };
}

function attemptObject(attempt: JobAccount['attempts'][number]) {
  return {
    attempt: attempt.attempt,
    target: attempt.target,
    state: attempt.state,
    submitted_at: attempt.submittedAt,
    answered_at: attempt.answeredAt,
    unknown_at: attempt.unknownAt,
    resolved_by: attempt.resolvedBy,
    ended_at: attempt.endedAt,
    outcome: attempt.outcome,
    evidence: attempt.evidence,
    failure_code: attempt.failure?.code ?? null,
    vendor_code: attempt.failure?.vendorCode ?? null,
    operation: attempt.operation,
    possible_duplicate: attempt.possibleDuplicate,
    copy: attempt.copy,
  };
}

function webhookObject({ id, kind, state, tries, nextTryAt, lastAnswer }: JobAccount['webhooks'][number]) {
  return { id, kind, state, tries, next_try_at: nextTryAt, last_answer: lastAnswer };
}

function workflowObject({ status, namespace, runId, startedAt, historyLength, ...view }: WorkflowView) {
  return {
    status,
    namespace,
    run_id: runId,
    started_at: startedAt,
    history_length: historyLength,
    stuck_cause: view.stuckCause,
    problems: view.problems,
    pending_activities: view.pendingActivities.map(({ type, attempt, lastFailure }) => ({
      type,
      attempt,
      last_failure: lastFailure,
    })),
  };
}
