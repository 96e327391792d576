import type { Failure } from '../../src/domain/failure.ts';
import { isFinal } from '../../src/domain/job.ts';
import type { Verdict } from '../../src/domain/next-step.ts';
import { putMail } from './model-mail.ts';
import { attemptKey, type JobRow, micros, type Part, type Tables, tell, type TicketRow } from './model-tables.ts';
import type { AcceptedJob, QueueRequest } from './records.ts';

/** Accept, cancel, the line and the end of jobs: db/jobs/accept.ts, db/jobs/cancel.ts, db/ledger/settle.ts. */
export function jobFunctions(
  tables: Tables,
): Part<'accept' | 'requestCancel' | 'queueAttempt' | 'settleJob' | 'endOverdueJobs' | 'endOverrunJobs'> {
  return {
    accept: (job) => accept(tables, job),
    requestCancel: (job) => requestCancel(tables, job),
    queueAttempt: (request) => queueAttempt(tables, request),
    settleJob: (id, verdict) => {
      const job = tables.jobs.get(id);
      if (job === undefined) throw new Error(`there is no job ${id}`);
      settle(tables, job, verdict);
      return { phase: job.phase };
    },
    endOverdueJobs: () => endOverdue(tables),
    endOverrunJobs: (graceMs) => endOverrun(tables, graceMs),
  };
}

function accept(tables: Tables, { id, tenant, caller, class: index, route, queueTtlSeconds }: AcceptedJob): void {
  const now = tables.now();
  const job: JobRow = {
    id,
    tenant,
    caller,
    class: index,
    route,
    acceptedAt: now,
    queueDeadline: now + queueTtlSeconds * 1_000,
    phase: 'queued',
    dispatchedAt: null,
    runDeadline: null,
    cancelRequestedAt: null,
    finishedAt: null,
    failure: null,
    servedAttempt: null,
    checkedAt: null,
    lastEventAt: now,
    events: ['job.queued'],
  };
  tables.jobs.set(id, job);
  const ticket = { attempt: 1, target: 0, kind: 'first' } as const;
  putTicket(tables, { job, ticket, waitMs: 0, queueDeadline: job.queueDeadline, leftTarget: null });
}

interface NewTicket extends Pick<QueueRequest, 'ticket' | 'waitMs'>, Pick<TicketRow, 'queueDeadline' | 'leftTarget'> {
  readonly job: JobRow;
}

function putTicket(tables: Tables, { job, ticket, waitMs, queueDeadline, leftTarget }: NewTicket): void {
  const target = job.route[ticket.target];
  if (target === undefined) throw new Error(`${job.id} has no target ${ticket.target}`);
  tables.counters.ticket += 1;
  const { tenant, caller, class: index, acceptedAt } = job;
  const row: TicketRow = {
    id: String(tables.counters.ticket),
    ordinal: tables.counters.ticket,
    priceUsdMicros: target.priceUsdMicros,
    tenant,
    caller,
    class: index,
    acceptedAt,
    weight: 1,
    target: target.name,
    pool: target.pool,
    job,
    attempt: ticket.attempt,
    index: ticket.target,
    kind: ticket.kind,
    notBefore: micros(tables.now() + waitMs),
    parked: waitMs > 0,
    queueDeadline,
    leftTarget,
  };
  tables.tickets.set(job.id, row);
  tables.ticketsById.set(row.id, row);
  place(tables, row);
}

/** In the line of its flow, unless it was told to come back later or is a second attempt. */
export function place(tables: Tables, ticket: TicketRow): void {
  if (isInLine(ticket)) tables.pools.get(ticket.pool)?.line.enter(ticket);
  if (isInLine(ticket)) tables.aside.delete(ticket);
  else tables.aside.add(ticket);
}

function isInLine({ kind, parked }: TicketRow): boolean {
  return kind !== 'overlap' && !parked;
}

/** A grant notes on the flow itself that a ticket is gone. */
export function dropTicket(tables: Tables, job: string, isGranted = false): void {
  const ticket = tables.tickets.get(job);
  if (ticket === undefined) return;
  const line = tables.pools.get(ticket.pool)?.line;
  tables.tickets.delete(job);
  tables.ticketsById.delete(ticket.id);
  tables.aside.delete(ticket);
  if (!isInLine(ticket)) return;
  if (isGranted) line?.take(ticket);
  else line?.leave(ticket);
}

function queueAttempt(tables: Tables, { jobId, ticket, waitMs }: QueueRequest) {
  const job = tables.jobs.get(jobId);
  if (job === undefined || job.finishedAt !== null || job.route[ticket.target] === undefined) return 'job_final';
  if (job.cancelRequestedAt !== null) return 'cancel_requested';
  const key = attemptKey(jobId, ticket.attempt);
  if (tables.permits.has(key) || tables.attempts.has(key)) return 'granted';
  const waiting = tables.tickets.get(jobId);
  if (waiting === undefined) {
    const live = [...tables.attempts.values()].filter((attempt) => attempt.job === job && attempt.endedAt === null);
    const leftTarget = ticket.kind === 'overlap' ? (live.at(-1)?.target ?? null) : null;
    const queueDeadline = job.runDeadline ?? job.queueDeadline;
    putTicket(tables, { job, ticket, waitMs, queueDeadline, leftTarget });
  } else if (waiting.kind === 'overlap' && ticket.kind === 'retry') {
    waiting.kind = 'retry';
    if (!waiting.parked) place(tables, waiting);
  } else return 'queued';
  tell(tables, job, 'attempt.queued');
  return 'queued';
}

/** Whether this call was the one that ended it. */
function settle(tables: Tables, job: JobRow, verdict: Verdict): boolean {
  if (job.finishedAt !== null && tables.mutations.settlesTwice !== true) return false;
  if (verdict.phase === 'completed' && tables.assets.get(attemptKey(job.id, verdict.attempt))?.isStored !== true)
    throw new Error(`job ${job.id} cannot complete by attempt ${verdict.attempt}, of which there is no copy`);
  job.phase = verdict.phase;
  job.finishedAt = tables.now();
  job.failure = verdict.phase === 'failed' ? verdict.failure : null;
  job.servedAttempt = verdict.phase === 'completed' ? verdict.attempt : null;
  tell(tables, job, `job.${verdict.phase}`);
  withdrawUnsent(tables, job);
  for (const permit of tables.permits.values()) {
    if (permit.job !== job || permit.zombieSince !== null) continue;
    permit.zombieSince = tables.now();
    permit.submitting = false;
  }
  dropMail(tables, job.id, 'cancel');
  return true;
}

/** What was asked for and never sent: the place in line goes, and the permit that came of it is free again. */
export function withdrawUnsent(tables: Tables, job: JobRow): void {
  if (tables.mutations.keepsTickets !== true) dropTicket(tables, job.id);
  for (const [key, permit] of tables.permits)
    if (permit.job === job && !tables.attempts.has(key)) tables.permits.delete(key);
  dropMail(tables, job.id, 'permit');
}

function dropMail({ mailbox }: Tables, job: string, kind: string): void {
  for (const [key, mail] of mailbox) if (mail.job === job && mail.kind === kind) mailbox.delete(key);
}

function requestCancel(tables: Tables, id: string): string | null {
  const job = tables.jobs.get(id);
  if (job === undefined) return null;
  if (isFinal(job.phase)) return job.phase;
  if (job.phase === 'queued') {
    settle(tables, job, { phase: 'cancelled' });
    if (job.dispatchedAt !== null) putMail(tables, { job: id, kind: 'cancel' });
    return 'cancelled';
  }
  if (job.cancelRequestedAt === null) {
    job.cancelRequestedAt = tables.now();
    tell(tables, job, 'cancel.requested');
  }
  putMail(tables, { job: id, kind: 'cancel' });
  return 'cancelling';
}

const overdue: Failure = { code: 'queue_deadline', retry: 'never' };
const overrun: Failure = { code: 'timed_out', retry: 'never' };

function endOverdue(tables: Tables): number {
  const now = tables.now();
  const late = [...tables.tickets.values()].filter(({ queueDeadline }) => queueDeadline <= now).map(({ job }) => job);
  const unbegun = [...tables.permits.values()].filter(({ submitting }) => submitting).map(({ job }) => job);
  const jobs = [...late, ...unbegun.filter(({ queueDeadline }) => queueDeadline <= now)];
  return jobs.filter((job) => {
    if (job.phase !== 'queued' || !settle(tables, job, { phase: 'failed', failure: overdue })) return false;
    if (job.dispatchedAt !== null) putMail(tables, { job: job.id, kind: 'cancel' });
    return true;
  }).length;
}

/** A job with a finished video has the time of its copy as well: an hour, which no simulated copy takes. */
function endOverrun(tables: Tables, graceMs: number): number {
  const now = tables.now();
  const jobs = [...tables.jobs.values()].filter(
    (job) => job.finishedAt === null && job.runDeadline !== null && job.runDeadline < now - graceMs,
  );
  return jobs.filter((job) => {
    if (hasVideo(tables, job) && (job.runDeadline ?? 0) >= now - graceMs - 3_600_000) return false;
    settle(tables, job, { phase: 'failed', failure: overrun });
    putMail(tables, { job: job.id, kind: 'cancel' });
    return true;
  }).length;
}

function hasVideo({ attempts, assets }: Tables, job: JobRow): boolean {
  return [...attempts].some(
    ([key, attempt]) => attempt.job === job && attempt.outcome === 'finished' && assets.get(key)?.isFailed !== true,
  );
}
