import { answerAttempt, beginAttempt, endAttempt } from '../../../src/db/ledger/attempts.ts';
import { type FailureCode, failureOf } from '../../../src/domain/failure.ts';
import { createDispatchBench, type DispatchBench } from '../../dispatch/dispatch-bench.ts';
import { beginOrder } from '../ledger/ledger-bench.ts';

type TargetWish = Parameters<DispatchBench['acceptOne']>[0]['target'];

/** Jobs in the states in which they may be stuck, and a way to let time pass for them. */
export interface StuckBench extends DispatchBench {
  /** Everything of the job happened earlier by that much. */
  age(job: string, seconds?: number): Promise<void>;
  /** The first attempt of a new job, before its POST is answered. */
  begin(target?: TargetWish): Promise<string>;
  /** The attempt of a job that waits, likewise. */
  beginNext(job: string, attempt: number): Promise<void>;
  acceptFirst(job: string): Promise<void>;
  lose(job: string): Promise<string>;
  refuse(job: string, code: FailureCode, attempt?: number): Promise<void>;
  finish(job: string): Promise<void>;
  queueAgain(job: string, kind: 'retry' | 'overlap'): Promise<void>;
  failWebhook(job: string, kind: string): Promise<void>;
  /** Nothing is left open for the next test. */
  clear(): Promise<void>;
}

export async function createStuckBench(): Promise<StuckBench> {
  const bench = await createDispatchBench();
  const { pool } = bench;
  const beginNext = async (job: string, attempt: number): Promise<void> => {
    await bench.grant();
    await pool.query('DELETE FROM mailbox');
    const { grant } = await bench.row<{ grant: string }>(
      'SELECT grant_id::text AS grant FROM permits WHERE job = $1 AND attempt = $2',
      job,
      attempt,
    );
    await beginAttempt(pool, beginOrder(job, grant, attempt));
  };
  return {
    ...bench,
    beginNext,
    async age(job, seconds = 3_600) {
      const earlier = (...columns: readonly string[]): string =>
        columns.map((column) => `${column} = ${column} - $2 * interval '1 second'`).join(', ');
      const values = [job, seconds];
      await pool.query(`UPDATE tickets SET ${earlier('accepted_at', 'waiting_since')} WHERE job = $1`, values);
      const moments = ['submitted_at', 'answered_at', 'ended_at', 'unknown_at', 'queued_at'];
      await pool.query(`UPDATE attempts SET ${earlier(...moments)} WHERE job = $1`, values);
      await pool.query(`UPDATE webhook_deliveries SET ${earlier('created_at')} WHERE job = $1`, values);
    },
    async begin(target = {}) {
      const job = await bench.acceptOne({ pool: await bench.addPool(), target });
      await beginNext(job, 1);
      return job;
    },
    async acceptFirst(jobId) {
      const operation = `operation of ${jobId}`;
      await answerAttempt(pool, { jobId, attempt: 1, state: 'accepted', operation });
    },
    async lose(jobId) {
      const failure = failureOf('ambiguous_submit');
      await answerAttempt(pool, { jobId, attempt: 1, state: 'unknown', operation: null, failure });
      return jobId;
    },
    async refuse(jobId, code, attempt = 1) {
      const end = { evidence: 'refusal', outcome: 'failed', failure: failureOf(code) } as const;
      await endAttempt(pool, { jobId, attempt, ...end });
    },
    async finish(jobId) {
      const end = { evidence: 'check', outcome: 'finished', videoUrl: 'https://vendor.example/video.mp4' } as const;
      await endAttempt(pool, { jobId, attempt: 1, operation: `operation of ${jobId}`, ...end });
    },
    async queueAgain(job, kind) {
      await bench.row('SELECT queue_attempt($1, 2, 0, $2, $3)', job, kind, '0');
    },
    async failWebhook(job, kind) {
      await pool.query(
        `INSERT INTO webhook_deliveries (id, event_id, tenant, receiver, job, kind, event_at, state, tries)
         VALUES ('whd_' || $1, 'evt_' || $1, 'default', 'somebody', $1, $2, now(), 'retrying', 3)`,
        [job, kind],
      );
    },
    async clear() {
      await pool.query(
        `DELETE FROM mailbox; DELETE FROM tickets; DELETE FROM permits; DELETE FROM failing_workflows; DELETE FROM webhook_deliveries;
         SELECT settle_job(id, 'cancelled', NULL, NULL) FROM jobs WHERE finished_at IS NULL`,
      );
    },
  };
}
