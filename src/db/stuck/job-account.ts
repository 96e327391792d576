import type { JobId, JobPhase } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { Failure } from '../../domain/failure.ts';
import type { Database } from '../pool.ts';
import { iso } from '../sql.ts';

/** All that is kept of a job, for an operator, but for what its owner has written. Moments as text of ISO 8601. */
export interface JobAccount {
  readonly id: JobId;
  readonly tenant: string;
  readonly model: string;
  readonly phase: JobPhase;
  readonly route: readonly string[];
  readonly acceptedAt: string;
  readonly queueDeadline: string;
  readonly dispatchedAt: string | null;
  readonly startedAt: string | null;
  readonly runDeadline: string | null;
  readonly cancelRequestedAt: string | null;
  readonly finishedAt: string | null;
  readonly failureCode: string | null;
  readonly isErased: boolean;
  readonly ticket: TicketAccount | null;
  readonly permits: readonly PermitAccount[];
  readonly attempts: readonly AttemptAccount[];
  /** What is on its way to its workflow. */
  readonly mail: readonly MailAccount[];
  readonly webhooks: readonly WebhookAccount[];
  /** The newest first. */
  readonly events: readonly { readonly seq: number; readonly at: string; readonly kind: string }[];
  readonly actions: readonly ActionAccount[];
}

export interface TicketAccount {
  readonly attempt: number;
  readonly kind: 'first' | 'retry' | 'overlap';
  readonly pool: string;
  readonly target: string;
  readonly waitingSince: string;
  /** It stands in line from then on. Null: it does. */
  readonly parkedUntil: string | null;
  readonly isOverBudget: boolean;
  /** Why the head of its line waits. Null: nobody has looked. */
  readonly waitReason: string | null;
}

export interface PermitAccount {
  readonly attempt: number;
  readonly pool: string;
  readonly target: string;
  readonly grantedAt: string;
  readonly zombieSince: string | null;
}

export interface AttemptAccount {
  readonly attempt: number;
  readonly target: string;
  readonly state: string;
  readonly submittedAt: string;
  readonly answeredAt: string | null;
  readonly unknownAt: string | null;
  readonly resolvedBy: string | null;
  readonly endedAt: string | null;
  readonly outcome: string | null;
  readonly evidence: string | null;
  readonly failure: Pick<Failure, 'code' | 'vendorCode'> | null;
  readonly operation: string | null;
  readonly possibleDuplicate: boolean;
  /** Null: there is no copy, and none was begun. */
  readonly copy: 'begun' | 'stored' | 'failed' | 'removed' | null;
}

export interface MailAccount {
  readonly kind: string;
  readonly attempt: number;
  readonly createdAt: string;
  /** Deliveries that were begun. */
  readonly tries: number;
}

export interface WebhookAccount {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly tries: number;
  readonly nextTryAt: string;
  /** What the last try came to: a status, or a word for why there was none. */
  readonly lastAnswer: string | null;
}

export interface ActionAccount {
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
}

/** By the keys of one job: as cheap however long the line is, or the past. */
export async function findJobAccount(db: Database, jobId: JobId): Promise<JobAccount | undefined> {
  const { rows } = await db.query<JobAccount>({ name: 'find_job_account', text: accountSql, values: [jobId] });
  return rows[0];
}

const accountSql = `
  SELECT jobs.id, jobs.tenant, jobs.model, jobs.phase, jsonb_path_query_array(jobs.route, '$[*].name') AS route,
    ${iso('jobs.accepted_at')} AS "acceptedAt", ${iso('jobs.queue_deadline')} AS "queueDeadline",
    ${iso('jobs.dispatched_at')} AS "dispatchedAt", ${iso('jobs.started_at')} AS "startedAt", ${iso('jobs.run_deadline')} AS "runDeadline",
    ${iso('jobs.cancel_requested_at')} AS "cancelRequestedAt", ${iso('jobs.finished_at')} AS "finishedAt",
    jobs.failure ->> 'code' AS "failureCode", jobs.erase_requested_at IS NOT NULL AS "isErased",
    (SELECT jsonb_build_object('attempt', attempt, 'kind', kind, 'pool', tickets.pool, 'target', target_name,
              'waitingSince', ${iso(`CASE WHEN kind = 'first' THEN accepted_at ELSE waiting_since END`)},
              'parkedUntil', CASE WHEN parked THEN ${iso('not_before')} END, 'isOverBudget', over_budget,
              'waitReason', (SELECT wait_reason_of(targets.pool, targets.name, targets.wait_reason) FROM targets
                             WHERE targets.pool = tickets.pool AND targets.name = tickets.target_name))
     FROM tickets WHERE tickets.job = jobs.id) AS ticket,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('attempt', attempt, 'pool', pool, 'target', target_name, 'grantedAt', ${iso('granted_at')},
              'zombieSince', ${iso('zombie_since')}) ORDER BY attempt), '[]')
     FROM permits WHERE permits.job = jobs.id) AS permits,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('attempt', a.attempt, 'target', target_name, 'state', state,
              'submittedAt', ${iso('submitted_at')}, 'answeredAt', ${iso('answered_at')}, 'unknownAt', ${iso('unknown_at')},
              'resolvedBy', resolved_by, 'endedAt', ${iso('ended_at')}, 'outcome', outcome, 'evidence', evidence,
              'failure', CASE WHEN a.failure IS NOT NULL THEN
                jsonb_strip_nulls(jsonb_build_object('code', a.failure -> 'code', 'vendorCode', a.failure -> 'vendorCode')) END,
              'operation', operation, 'possibleDuplicate', possible_duplicate,
              'copy', CASE WHEN s.job IS NULL THEN NULL WHEN s.removed_at IS NOT NULL THEN 'removed' WHEN s.stored_at IS NOT NULL THEN 'stored'
                           WHEN s.failure IS NOT NULL THEN 'failed' ELSE 'begun' END) ORDER BY a.attempt), '[]')
     FROM attempts a LEFT JOIN assets s ON s.job = a.job AND s.attempt = a.attempt WHERE a.job = jobs.id) AS attempts,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'attempt', attempt, 'createdAt', ${iso('created_at')}, 'tries', tries) ORDER BY id), '[]')
     FROM mailbox WHERE mailbox.job = jobs.id) AS mail,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'kind', d.kind, 'state', d.state, 'tries', d.tries, 'nextTryAt', ${iso('d.next_try_at')},
              'lastAnswer', (SELECT coalesce(t.status::text, t.error) FROM webhook_tries t WHERE t.delivery = d.id ORDER BY t.id DESC LIMIT 1))
              ORDER BY d.created_at, d.id), '[]')
     FROM (SELECT * FROM webhook_deliveries WHERE webhook_deliveries.job = jobs.id ORDER BY created_at DESC LIMIT ${limits.shownEventsMax}) AS d) AS webhooks,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('seq', seq, 'at', ${iso('at')}, 'kind', kind) ORDER BY seq DESC), '[]')
     FROM (SELECT seq, at, kind FROM job_events WHERE job = jobs.id ORDER BY seq DESC LIMIT ${limits.shownEventsMax}) AS newest) AS events,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('at', ${iso('at')}, 'actor', actor, 'action', action, 'reason', reason) ORDER BY id DESC), '[]')
     FROM (SELECT * FROM operator_actions WHERE subject = jobs.id ORDER BY id DESC LIMIT ${limits.shownActionsMax}) AS newest) AS actions
  FROM jobs WHERE jobs.id = $1`;
