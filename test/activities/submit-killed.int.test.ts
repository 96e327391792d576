import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SubmitOrder } from '../../src/contracts/activities.ts';
import { endAttempt } from '../../src/db/ledger/attempts.ts';
import { takeUnknownCounts } from '../../src/db/ledger/unknown-attempts.ts';
import { grantPass } from '../../src/dispatch/grant-pass.ts';
import { failureOf } from '../../src/domain/failure.ts';
import type { AttemptReport } from '../../src/domain/story.ts';
import { audit } from '../support/auditor.ts';
import { until } from '../support/until.ts';
import { type KillBench, type KillRun, openKillBench } from './kill-bench.ts';
import { type CallbackMoment, callbackMoments, planKill, submitPoints } from './kill-plan.ts';

/**
 * Processes are killed at every named point of the submit path, in the middle of many submits at once, and others begin
 * these again, as Temporal's retries would. `KILL_SEED=17` replays one seed; `KILL_RUNS=2000` takes longer;
 * `KILL_RUNS_OF_PROCESS=1` gives each submit a process of its own.
 */
const { KILL_SEED, KILL_RUNS = '210', KILL_RUNS_OF_PROCESS = '30' } = process.env;
const seeds =
  KILL_SEED === undefined ? Array.from({ length: Number(KILL_RUNS) }, (_, seed) => seed + 1) : [Number(KILL_SEED)];
const runsOfProcess = Number(KILL_RUNS_OF_PROCESS);
const processesAtOnce = 2;

let bench: KillBench;
beforeAll(async () => {
  bench = await openKillBench();
});
afterAll(async () => await bench.close());

test(
  'kill -9 at every point of a submit: no attempt is sent twice, and each ambiguous one is settled',
  { timeout: 600_000 },
  async () => {
    const runs: KillRun[] = [];
    for (const seed of seeds) runs.push(await accept(seed));
    for (let left: readonly KillRun[] = runs; left.length > 0;) left = await submitAll(left);
    expect(naming(runs, await findWrongAnswers(runs))).toEqual([]);
    await settleAll(runs);

    const accepted = runs.map(({ order }) => order.jobId);
    expect(naming(runs, await audit({ pool: bench.pool, simulator: bench.simulator, accepted }))).toEqual([]);
    expect(naming(runs, await findSecondPayments())).toEqual([]);
    await expectCounted();
    if (KILL_SEED === undefined) await expectEverythingTried(runs);
  },
);

async function accept(seed: number): Promise<KillRun> {
  const plan = planKill(seed);
  const faults = [
    // Nothing ends by itself, however long this takes.
    'slow=1000',
    ...(plan.fault === 'none' ? [] : [firstTime(plan.fault)]),
    ...(plan.callback === 'never' ? ['callback-lost'] : []),
  ];
  const order = await bench.orderOne({
    fault: faults.join('][sim:'),
    ...(!plan.isListed && { request: { seed: 42 } }),
    target: { unknownPolicy: plan.policy },
  });
  return { plan, order, kills: 0 };
}

/** Of a prompt's submits the first alone meets the fault. */
const firstTime = (fault: string) => fault.replace(/^[a-z0-9-]+/, (kind) => `${kind}*1`);

/** Has all of them submitted, in processes that are killed. Returns those that need another try. */
async function submitAll(runs: readonly KillRun[]): Promise<readonly KillRun[]> {
  const killed: KillRun[] = [];
  await inBatches(runs, { of: runsOfProcess, atOnce: processesAtOnce }, async (batch) => {
    const dead = await bench.liveAndDie(batch, (standing) => callBack(standing, 'at_point'));
    await callBack(dead, 'before_retry');
    killed.push(...dead);
  });
  return killed;
}

async function inBatches<Thing>(
  things: readonly Thing[],
  { of, atOnce }: { of: number; atOnce: number },
  work: (batch: readonly Thing[]) => Promise<unknown>,
): Promise<void> {
  const batches = Array.from({ length: Math.ceil(things.length / of) }, (_, index) =>
    things.slice(index * of, (index + 1) * of),
  );
  const lane = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) await work(batch);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** The vendor is done with what it was to be done with by now, and says so. What it has not made yet is for later. */
async function callBack(runs: readonly KillRun[], moment: CallbackMoment): Promise<void> {
  const due = runs.filter(({ plan }) => callbackMoments.indexOf(plan.callback) <= callbackMoments.indexOf(moment));
  if (due.length > 0) await finish(due);
}

async function finish(runs: readonly KillRun[]): Promise<void> {
  const ids = new Set(runs.map(({ order }) => order.jobId));
  const running = (await bench.vendor.predictions()).filter(
    ({ correlation, status }) =>
      ids.has(correlation?.split('.')[0] ?? '') && (status === 'created' || status === 'processing'),
  );
  await Promise.all(running.map(({ id }) => bench.vendor.finish(id)));
}

/** What their workflows would do from here on, and the vendor meanwhile. */
async function settleAll(runs: readonly KillRun[]): Promise<void> {
  const each = (work: (run: KillRun) => Promise<unknown>) =>
    inBatches(runs, { of: 1, atOnce: 8 }, ([run]) => (run === undefined ? Promise.resolve() : work(run)));
  await callBack(runs, 'after_retry');
  await each(({ order }) => look(order));
  await bench.pool.query(
    `UPDATE attempts SET submitted_at = submitted_at - interval '3 minutes', answered_at = answered_at - interval '3 minutes'
     WHERE state = 'unknown'`,
  );
  await each(async ({ order }) => {
    const report = await look(order);
    if (report?.outcome === 'failed' && report.failure.retry === 'same') await submitAgain(order);
  });
  await finish(runs);
  await each(async ({ order }) => {
    for (const { attempt } of await bench.rowsOf('attempts', order))
      await endIfOpen({ ...order, attempt: Number(attempt) });
    // What becomes of a video is for others to test.
    await bench.run.settleJob({ jobId: order.jobId, verdict: { phase: 'cancelled' } });
  });
  // Nobody is there to whom it could be delivered.
  await bench.pool.query('DELETE FROM mailbox');
}

/** What a poll finds; undefined for "not yet". */
async function look(order: SubmitOrder): Promise<AttemptReport | undefined> {
  try {
    return await bench.run.watchAttempt(order);
  } catch (error) {
    if (error instanceof ApplicationFailure && error.type === 'NotYet') return undefined;
    throw error;
  }
}

/** The policy `resubmit` has asked for a second attempt at the same target. */
async function submitAgain({ jobId, target }: SubmitOrder): Promise<void> {
  const ticket = { attempt: 2, target, kind: 'retry' } as const;
  await bench.run.queueAttempt({ jobId, ticket, waitMs: 0 });
  const grant = await until('the second attempt is granted', async () => {
    await grantPass({ pool: bench.pool, submittingMax: 10_000, startSlots: () => 50 });
    const [permit] = (await bench.rowsOf('permits', { jobId })).filter(({ attempt }) => attempt === 2);
    return permit && String(permit['grant_id']);
  });
  const order = { jobId, attempt: 2, target, grant };
  await bench.run.submitAttempt(order, { publicUrl: bench.publicUrl });
}

/** The vendor comes to its end, and we hear of it, or nobody does until nothing can last that long. */
async function endIfOpen(order: SubmitOrder): Promise<void> {
  const { operation, ended_at } = await bench.attemptOf(order);
  if (ended_at !== null) return;
  const { jobId, attempt } = order;
  const failure = failureOf('timed_out');
  if (operation === null)
    await endAttempt(bench.pool, { jobId, attempt, evidence: 'longest_duration', outcome: 'lost', failure });
  else expect(await look(order)).toEqual({ outcome: 'finished' });
}

/** A violation that names a job, with the seed that replays it. */
function naming(runs: readonly KillRun[], violations: readonly string[]): readonly string[] {
  return violations.map((violation) => {
    const run = runs.find(({ order }) => violation.includes(order.jobId));
    return run === undefined ? violation : `KILL_SEED=${run.plan.seed}: ${violation}`;
  });
}

/** What the last process was told of a submit is what the ledger says of it, or said before a proof came. */
async function findWrongAnswers(runs: readonly KillRun[]): Promise<readonly string[]> {
  const { rows } = await bench.pool.query<{ job: string; state: string; wasUnknown: boolean }>(
    'SELECT job, state, unknown_at IS NOT NULL AS "wasUnknown" FROM attempts',
  );
  const ledger = new Map(rows.map((row) => [row.job, row]));
  return runs.flatMap(({ order, answer }) => {
    const row = ledger.get(order.jobId);
    const isRight = answer === 'unknown' ? row?.wasUnknown : answer === row?.state;
    return isRight ? [] : [`${order.jobId} is ${row?.state}, and was answered ${answer}`];
  });
}

/** By the vendor's own count: who has made two videos for a job was told to by the policy, and it is written down. */
async function findSecondPayments(): Promise<readonly string[]> {
  const made = (await bench.vendor.predictions()).map(({ correlation }) => correlation ?? '');
  const { rows } = await bench.pool.query<{ id: string }>(
    `SELECT job || '.' || attempt AS id FROM attempts WHERE possible_duplicate AND EXISTS (
       SELECT 1 FROM job_events WHERE job_events.job = attempts.job AND data ->> 'by' = 'grace_resubmit')`,
  );
  const declared = new Set(rows.map(({ id }) => id));
  const seconds = made.filter((id) => id.endsWith('.2') && made.includes(id.replace(/2$/, '1')));
  return [
    ...made.filter((id, index) => made.indexOf(id) !== index).map((id) => `made twice: ${id}`),
    ...seconds
      .filter((id) => !declared.has(id.replace(/2$/, '1')))
      .map((id) => `a second payment by nobody's policy: ${id}`),
  ];
}

/** The metric's source says what the story says, each thing once. */
async function expectCounted(): Promise<void> {
  const { rows } = await bench.pool.query(
    `SELECT target_name AS target, data ->> 'by' AS by, count(*)::int AS count
     FROM job_events JOIN attempts ON attempts.job = job_events.job AND attempts.attempt = (data ->> 'attempt')::int
     WHERE kind IN ('attempt.unknown', 'attempt.resolved') GROUP BY 1, 2`,
  );
  const counts = await takeUnknownCounts(bench.pool);
  expect(counts.toSorted(byHow)).toEqual(rows.toSorted(byHow));
}

function byHow(one: { by: string | null }, other: { by: string | null }): number {
  return (one.by ?? '').localeCompare(other.by ?? '');
}

async function expectEverythingTried(runs: readonly KillRun[]): Promise<void> {
  expect(runs.filter(({ kills }) => kills === 0)).toEqual([]);
  const killedAt = runs.flatMap(({ plan, kills }) => plan.killedAt.slice(0, kills));
  const rarelyKilledAt = submitPoints.filter((point) => killedAt.filter((at) => at === point).length < runs.length / 5);
  expect(rarelyKilledAt).toEqual([]);
  const { rows } = await bench.pool.query<{ by: string }>(
    `SELECT DISTINCT data ->> 'by' AS by FROM job_events WHERE kind = 'attempt.resolved' ORDER BY 1`,
  );
  expect(rows.map(({ by }) => by)).toEqual([
    'callback',
    'grace_fail',
    'grace_resubmit',
    'grace_wait',
    'list',
    'longest_duration',
  ]);
}
