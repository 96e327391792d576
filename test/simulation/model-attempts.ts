import type { AttemptEnd, BeginAnswer, BeginOrder } from '../../src/db/ledger/attempts.ts';
import type { Adoption } from '../../src/db/ledger/unknown-attempts.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { withdrawUnsent } from './model-jobs.ts';
import { putMail } from './model-mail.ts';
import { attemptKey, type AttemptRow, type Part, type Tables, tell } from './model-tables.ts';
import type { AssetVerdict, ReceivedCallback } from './records.ts';

type Ledger = Part<
  | 'beginAttempt'
  | 'answerAttempt'
  | 'endAttempt'
  | 'findAttempt'
  | 'adoptFromList'
  | 'decideUnknown'
  | 'receiveCallback'
  | 'requestCheck'
  | 'beginAsset'
  | 'keepAsset'
  | 'failAsset'
>;

/** The ledger: begin_attempt, answer_attempt, end_attempt, receive_callback, and the notes of copies. */
export function attemptFunctions(tables: Tables): Ledger {
  return {
    beginAttempt: (order) => begin(tables, order),
    answerAttempt: ({ jobId, attempt, state, operation }) => answer(tables, { jobId, attempt, state, operation }),
    endAttempt: (end) => endOf(tables, end),
    findAttempt(job, attempt) {
      const row = tables.attempts.get(attemptKey(job, attempt));
      return row && { ...row, submittedAt: row.submittedAt };
    },
    adoptFromList: (adoption) => adopt(tables, adoption),
    decideUnknown({ jobId, attempt, policy }) {
      const row = loseAnswer(tables, jobId, attempt);
      if (row?.state !== 'unknown' || row.endedAt !== null) return false;
      row.isPossibleDuplicate ||= policy !== 'wait';
      return true;
    },
    receiveCallback: (callback) => receive(tables, callback),
    requestCheck({ jobId, attempt, token }) {
      const row = tables.attempts.get(attemptKey(jobId, attempt));
      if (row?.token === token && row.endedAt === null) putMail(tables, { job: jobId, kind: 'repair', attempt });
    },
    beginAsset: (job, attempt) => beginAsset(tables, job, attempt),
    keepAsset: (job, attempt) => keepAsset(tables, job, attempt),
    failAsset: (job, attempt) => failAsset(tables, job, attempt),
  };
}

function begin(tables: Tables, order: BeginOrder): BeginAnswer {
  const key = attemptKey(order.jobId, order.attempt);
  const job = tables.jobs.get(order.jobId);
  const ledger = tables.attempts.get(key);
  const permit = tables.permits.get(key);
  if (ledger?.state === 'submitting') {
    if (tables.mutations.forgetsLedger === true) return { verdict: 'go' };
    Object.assign(ledger, { state: 'unknown', answeredAt: tables.now() });
    if (permit !== undefined) permit.submitting = false;
    tell(tables, ledger.job, 'attempt.unknown');
  }
  if (job === undefined || job.finishedAt !== null) return { verdict: 'job_final' };
  if (ledger?.state === 'refused') return { verdict: 'refused', failure: ledger.failure ?? failureOf('rate_limited') };
  if (ledger !== undefined) return { verdict: ledger.state };
  if (job.cancelRequestedAt !== null) return { verdict: 'cancel_requested' };
  if (permit?.grant !== order.grant) return { verdict: 'permit_lost' };

  const row: AttemptRow = {
    job,
    attempt: order.attempt,
    pool: permit.pool,
    index: permit.index,
    target: order.targetName,
    token: order.token,
    submittedAt: tables.now(),
    state: 'submitting',
    operation: null,
    answeredAt: null,
    endedAt: null,
    evidence: null,
    outcome: null,
    failure: null,
    isPossibleDuplicate: false,
  };
  tables.attempts.set(key, row);
  job.phase = 'in_progress';
  job.runDeadline ??= tables.now() + order.runBudgetMs;
  tell(tables, job, 'attempt.started');
  return { verdict: 'go' };
}

/** Whoever looks for an attempt whose POST nobody has answered takes its answer for lost. */
function loseAnswer(tables: Tables, job: string, attempt: number): AttemptRow | undefined {
  const row = tables.attempts.get(attemptKey(job, attempt));
  if (row?.state !== 'submitting' || row.endedAt !== null) return row;
  row.state = 'unknown';
  row.answeredAt = tables.now();
  const permit = tables.permits.get(attemptKey(job, attempt));
  if (permit !== undefined) permit.submitting = false;
  tell(tables, row.job, 'attempt.unknown');
  return row;
}

function adopt(tables: Tables, { jobId, attempt, operation }: Adoption): boolean {
  const row = loseAnswer(tables, jobId, attempt);
  if (row?.state !== 'unknown' || row.endedAt !== null) return row?.operation === operation;
  Object.assign(row, { state: 'accepted', operation, answeredAt: tables.now(), failure: null });
  tell(tables, row.job, 'attempt.accepted');
  return true;
}

interface Answer {
  readonly jobId: string;
  readonly attempt: number;
  readonly state: 'accepted' | 'unknown';
  readonly operation: string | null;
}

function answer(tables: Tables, { jobId, attempt, state, operation }: Answer): void {
  const key = attemptKey(jobId, attempt);
  const row = tables.attempts.get(key);
  if (row === undefined) return;
  if (row.state !== 'submitting' && !(row.state === 'unknown' && state === 'accepted')) return;
  Object.assign(row, { state, operation: row.operation ?? operation, answeredAt: tables.now(), failure: null });
  const permit = tables.permits.get(key);
  if (permit !== undefined) permit.submitting = false;
  tell(tables, row.job, `attempt.${state}`);
}

function endOf(tables: Tables, end: AttemptEnd): boolean {
  const key = attemptKey(end.jobId, end.attempt);
  const row = tables.attempts.get(key);
  if (row === undefined || row.endedAt !== null) return false;
  const { operation = null, evidence, outcome, failure = null } = end;
  if (operation !== null && row.operation !== null && operation !== row.operation) return false;
  const isKnown = (operation ?? row.operation) !== null;
  Object.assign(row, { endedAt: tables.now(), evidence, outcome, failure, operation: row.operation ?? operation });
  if (evidence === 'longest_duration' && row.state === 'submitting') row.state = 'unknown';
  row.state = evidence === 'refusal' ? 'refused' : isKnown ? 'accepted' : row.state;
  row.answeredAt ??= tables.now();
  const permit = tables.permits.get(key);
  if (tables.mutations.keepsPermits !== true) tables.permits.delete(key);
  if (evidence === 'refusal' && failure?.code === 'rate_limited' && permit !== undefined) {
    const { grantedAt, pool } = permit;
    const { limit: dimension = 'rate', retryAfterMs = null } = failure;
    tables.pools.get(pool)?.throttles.push({ dimension, grantedAt, retryAfterMs });
  }
  tell(tables, row.job, 'attempt.ended');
  return true;
}

function receive(tables: Tables, { jobId, attempt, token, digest, operation, outcome, failure }: ReceivedCallback) {
  const key = attemptKey(jobId, attempt);
  const row = tables.attempts.get(key);
  if (row?.token !== token) return 'unknown_attempt';
  if (tables.inbox.has(`${key} ${digest}`)) return 'duplicate';
  tables.inbox.add(`${key} ${digest}`);
  if (outcome === undefined) {
    answer(tables, { jobId, attempt, state: 'accepted', operation });
    return 'recorded';
  }
  const end = { jobId, attempt, evidence: 'callback', outcome, operation } as const;
  if (!endOf(tables, failure === undefined ? end : { ...end, failure })) return 'late';
  const payload = { attempt, outcome, ...(failure === undefined ? {} : { failure }) };
  if (row.job.finishedAt === null) putMail(tables, { job: jobId, kind: 'callback', attempt, payload });
  return 'recorded';
}

function beginAsset(tables: Tables, id: string, attempt: number): AssetVerdict {
  const key = attemptKey(id, attempt);
  const job = tables.jobs.get(id);
  const asset = tables.assets.get(key);
  if (asset?.isStored === true) return 'kept';
  if (job === undefined || job.finishedAt !== null) return 'job_final';
  if (asset?.isFailed === true) return 'failed';
  withdrawUnsent(tables, job);
  if (asset === undefined) tables.assets.set(key, { isStored: false, isFailed: false });
  return 'go';
}

function keepAsset(tables: Tables, id: string, attempt: number): 'kept' | 'job_final' {
  const key = attemptKey(id, attempt);
  const job = tables.jobs.get(id);
  if (tables.assets.get(key)?.isStored === true) return 'kept';
  if (job === undefined || job.finishedAt !== null) return 'job_final';
  tables.assets.set(key, { isStored: true, isFailed: false });
  tell(tables, job, 'asset.stored');
  return 'kept';
}

function failAsset(tables: Tables, id: string, attempt: number): AssetVerdict {
  const asset = tables.assets.get(attemptKey(id, attempt));
  const job = tables.jobs.get(id);
  if (asset?.isStored === true) return 'kept';
  if (asset === undefined || job === undefined || job.finishedAt !== null) return 'job_final';
  if (!asset.isFailed) tell(tables, job, 'asset.failed');
  asset.isFailed = true;
  return 'failed';
}
