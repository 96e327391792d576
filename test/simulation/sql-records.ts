import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { insertJobs } from '../../src/db/jobs/accept.ts';
import { beginAsset, failAsset, keepAsset } from '../../src/db/jobs/assets.ts';
import { findAttemptToCheck } from '../../src/db/ledger/attempt-to-check.ts';
import { answerAttempt, beginAttempt, endAttempt } from '../../src/db/ledger/attempts.ts';
import { receiveCallback, requestCheck } from '../../src/db/mailbox/callbacks.ts';
import { requestCancel } from '../../src/db/jobs/cancel.ts';
import { findKnownRun } from '../../src/db/ledger/known-attempts.ts';
import { deleteMail, leaseMail, postponeMail } from '../../src/db/mailbox/mailbox.ts';
import { leaseSilentJobs, leaseZombies, releaseLeakedPermits, restartWorkflow } from '../../src/db/ledger/reconcile.ts';
import { queueAttempt, settleJob } from '../../src/db/ledger/settle.ts';
import { showStuckJobs } from '../../src/db/stuck/shown-jobs.ts';
import { endOverdueJobs, endOverrunJobs } from '../../src/db/jobs/sweep.ts';
import { adoptFromList, decideUnknown } from '../../src/db/ledger/unknown-attempts.ts';
import { grantPass } from '../../src/dispatch/grant-pass.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { priorities } from '../../src/domain/job.ts';
import type { AcceptedJob, JobOutcome, Records } from './records.ts';

const batch = 100;

/** The real functions on a real Postgres. `atTime` sets its clock to the run's before each of them. */
export function createSqlRecords(
  pool: Pool,
  atTime: <Answer>(call: () => Promise<Answer>) => Promise<Answer>,
): Records {
  const tenants = new Map<string, string>();
  return {
    accept: (job) =>
      atTime(async () => {
        tenants.set(job.id, job.tenant);
        await insertJobs(pool, [newJob(job)]);
      }),
    requestCancel: (id) => atTime(() => requestCancel(pool, { id, tenant: tenants.get(id) ?? '' })),
    grant: ({ submittingMax, startSlots }) =>
      atTime(() => grantPass({ pool, submittingMax, startSlots: () => startSlots })),
    leaseMail: (count) => atTime(() => leaseMail(pool, count)),
    deleteMail: (ids) => atTime(() => deleteMail(pool, ids)),
    postponeMail: (ids, delayMs) => atTime(() => postponeMail(pool, ids, delayMs)),
    findKnownRun: (job) => atTime(() => findKnownRun(pool, job)),
    beginAttempt: (order) => atTime(() => beginAttempt(pool, order)),
    answerAttempt: (answer) => atTime(() => answerAttempt(pool, answer)),
    endAttempt: (end) => atTime(() => endAttempt(pool, end)),
    findAttempt: (job, attempt) =>
      atTime(async () => {
        const found = await findAttemptToCheck(pool, job, attempt);
        return found && { ...found, submittedAt: found.submittedAt.getTime() };
      }),
    adoptFromList: (adoption) => atTime(() => adoptFromList(pool, adoption)),
    decideUnknown: (decision) => atTime(() => decideUnknown(pool, decision)),
    receiveCallback: ({ jobId, attempt, token, digest, operation, outcome, failure }) =>
      atTime(() => {
        const bodySha256 = createHash('sha256').update(digest).digest();
        const end = { ...(outcome === undefined ? {} : { outcome }), ...(failure === undefined ? {} : { failure }) };
        return receiveCallback(pool, { jobId, attempt, token }, { bodySha256, kind: 'video', operation, ...end });
      }),
    requestCheck: (address) => atTime(() => requestCheck(pool, address)),
    beginAsset: (jobId, attempt) =>
      atTime(async () => (await beginAsset(pool, { jobId, attempt, key: `${jobId}.${attempt}` })).verdict),
    keepAsset: (jobId, attempt) =>
      atTime(() => {
        const facts = { contentType: 'video/mp4', bytes: 5, sha256: new Uint8Array(32) };
        return keepAsset(pool, { jobId, attempt, key: `${jobId}.${attempt}`, ...facts });
      }),
    failAsset: (jobId, attempt) =>
      atTime(async () => (await failAsset(pool, { jobId, attempt, failure: failureOf('output_expired') })).verdict),
    queueAttempt: (request) => atTime(() => queueAttempt(pool, request)),
    settleJob: (job, verdict) =>
      atTime(async () => {
        const standing = await settleJob(pool, job, verdict);
        if (standing === undefined) throw new Error(`there is no job ${job}`);
        return standing;
      }),
    endOverdueJobs: () => atTime(async () => (await endOverdueJobs(pool, { count: batch })).length),
    endOverrunJobs: (graceMs) => atTime(async () => (await endOverrunJobs(pool, { graceMs, count: batch })).length),
    showStuckJobs: (stuckAfterMs) => atTime(() => showStuckJobs(pool, { stuckAfterMs, visibleMax: batch })),
    releaseLeakedPermits: () => atTime(() => releaseLeakedPermits(pool)),
    leaseSilentJobs: (silentMs) => atTime(() => leaseSilentJobs(pool, { silentMs, count: batch })),
    restartWorkflow: (job) => atTime(() => restartWorkflow(pool, job)),
    leaseZombies: (everyMs) => atTime(() => leaseZombies(pool, { everyMs, count: batch })),
    isQuiet: async () => {
      const { rows } = await pool.query<{ quiet: boolean }>(
        `SELECT NOT EXISTS (SELECT 1 FROM tickets) AND NOT EXISTS (SELECT 1 FROM permits) AND NOT EXISTS (SELECT 1 FROM mailbox)
                AND NOT EXISTS (SELECT 1 FROM jobs WHERE finished_at IS NULL) AS quiet`,
      );
      return rows[0]?.quiet === true;
    },
    outcomes: async () => (await pool.query<JobOutcome>(outcomesSql)).rows,
  };
}

function newJob({ id, tenant, caller, class: index, route, queueTtlSeconds }: AcceptedJob) {
  const priority = priorities[index] ?? 'normal';
  const request = { prompt: 'a fox', model: 'model', seconds: 5, size: '1280x720', user: caller, priority };
  return { id, tenant, request, route, inputImage: null, inputUrl: null, queueTtlSeconds, idempotency: null };
}

const millis = (moment: string): string => `(extract(epoch FROM ${moment}) * 1000)::float8`;

const outcomesSql = `
  SELECT id, phase, failure ->> 'code' AS failure, served_attempt AS "servedAttempt",
         ${millis('finished_at')} AS "finishedAt", ${millis('run_deadline')} AS "runDeadline",
         ${millis('queue_deadline')} AS "queueDeadline",
         (SELECT jsonb_agg(kind ORDER BY seq) FROM job_events WHERE job = jobs.id) AS events,
         (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'attempt', attempt, 'target', target_name, 'state', state, 'outcome', outcome, 'evidence', evidence,
                   'isPossibleDuplicate', possible_duplicate) ORDER BY attempt), '[]')
          FROM attempts WHERE job = jobs.id) AS attempts
  FROM jobs ORDER BY id`;
