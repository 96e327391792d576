import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { beginAsset } from '../../../src/db/jobs/assets.ts';
import { noteQueued } from '../../../src/db/ledger/attempts.ts';
import { findStuckJobs } from '../../../src/db/stuck/stuck-jobs.ts';
import { readSnapshots } from '../../../src/db/stuck/job-snapshots.ts';
import { upsertPools } from '../../../src/db/scheduler/pools.ts';
import { createSpillPass } from '../../../src/dispatch/spill-pass.ts';
import { accountOf } from '../../../src/domain/account.ts';
import { type FailureCode, failureOf } from '../../../src/domain/failure.ts';
import { heard } from '../../../src/domain/heard.ts';
import { limits } from '../../../src/domain/limits/limits.ts';
import { type Fact, openStory, type Story } from '../../../src/domain/story.ts';
import { snapshotOf } from '../../../src/domain/story-snapshot.ts';
import { stuckOf } from '../../../src/domain/stuck.ts';
import { target } from '../ledger/ledger-bench.ts';
import { adviceOf } from '../../../src/domain/stuck-advice.ts';
import { createStuckBench, type StuckBench } from './stuck-bench.ts';

let bench: StuckBench;
beforeAll(async () => {
  bench = await createStuckBench();
});
afterAll(async () => {
  await bench.drop();
});
afterEach(async () => {
  await bench.clear();
});

/** What a job lives through, as its ledger has it and as its workflow is told of it. */
interface Step {
  readonly ledger: (job: string) => Promise<unknown>;
  readonly facts: readonly Fact[];
}

const permit: Fact = { kind: 'permit', attempt: 1, target: 0, grant: '1' };
const begun: Step = {
  ledger: (job) => bench.beginNext(job, 1),
  facts: [permit, { kind: 'submitting', attempt: 1 }],
};
const accepted: Step = {
  ledger: (job) => bench.acceptFirst(job),
  facts: [{ kind: 'submitted', attempt: 1, answer: { kind: 'accepted' } }],
};
const lost: Step = {
  ledger: (job) => bench.lose(job),
  facts: [{ kind: 'submitted', attempt: 1, answer: { kind: 'unknown' } }],
};
const refused = (code: FailureCode): Step => ({
  ledger: (job) => bench.refuse(job, code),
  facts: [{ kind: 'submitted', attempt: 1, answer: { kind: 'refused', failure: failureOf(code) } }],
});
const inLineAgain: Step = {
  ledger: (job) => bench.queueAgain(job, 'retry'),
  facts: [{ kind: 'ticket', ticket: { attempt: 2, target: 0, kind: 'retry' }, answer: 'queued' }],
};
const overlapping: Step = {
  ledger: (job) => bench.queueAgain(job, 'overlap'),
  facts: [{ kind: 'ticket', ticket: { attempt: 2, target: 0, kind: 'overlap' }, answer: 'queued' }],
};
const queuedThere: Step = {
  ledger: (jobId) => noteQueued(bench.pool, { jobId, attempt: 1 }),
  facts: [{ kind: 'reported', attempt: 1, report: { outcome: 'queued' } }],
};
const made: Step = {
  ledger: (job) => bench.finish(job),
  facts: [{ kind: 'reported', attempt: 1, report: { outcome: 'finished' } }],
};
const copying: Step = {
  ledger: (jobId) => beginAsset(bench.pool, { jobId, attempt: 1, key: 'asset' }),
  facts: [{ kind: 'storing', attempt: 1 }],
};

const lives: Readonly<Record<string, readonly Step[]>> = {
  'waits for its first permit': [],
  'is being sent': [begun],
  'is awaited': [begun, accepted],
  'is queued by its provider': [begun, accepted, queuedThere],
  'was sent, and the answer lost': [begun, lost],
  'is awaited, and another attempt waits': [begun, accepted, overlapping],
  'is made, and not begun to be copied': [begun, accepted, made],
  'is being copied': [begun, accepted, made, copying],
  'was refused for its rate, and waits again': [begun, refused('rate_limited'), inLineAgain],
  'was refused for want of credit, and waits again': [begun, refused('no_credit'), inLineAgain],
  'was refused for its key, and waits again': [begun, refused('auth'), inLineAgain],
  'failed, and waits again': [begun, accepted, refused('provider_failed'), inLineAgain],
  'ran out of time, and waits again': [begun, accepted, refused('timed_out'), inLineAgain],
};

/** Seconds for which it has been so. */
const ages = [30, 90, 170, 290, 400, 1_000, 10_000];
const settings = { stuckAfterMs: 300_000 };
const timed = { typicalMs: 100_000, patienceMs: 300_000 };

describe.each([true, false])('where callbacks are %s', (callbacks) => {
  test.each(Object.keys(lives))('Postgres and the workflow call it the same: a job that %s', async (name) => {
    const shape = { ...timed, callbacks };
    const pool = await bench.addPool();
    const job = await bench.acceptOne({ pool, target: shape });
    let story: Story = openStory({ route: [{ ...target, ...shape, pool }] }, Date.now());
    for (const { ledger, facts } of lives[name] ?? []) {
      await ledger(job);
      for (const fact of facts) story = heard(story, fact, Date.now());
    }
    const toldByStory: unknown[] = [];
    const toldByLedger: unknown[] = [];
    const now = Date.now();
    let aged = 0;
    // No POST takes longer than that. A workflow that lives is told what became of it; of one that does not, the ledger tells.
    const counted =
      name === 'is being sent' ? ages.filter((seconds) => seconds * 1_000 < limits.submittingMsMax) : ages;
    for (const seconds of counted) {
      await bench.age(job, seconds - aged);
      aged = seconds;
      const [row] = await readSnapshots(bench.pool, [job]);
      const ofLedger = row && stuckOf(row.snapshot, settings, row.now);
      const ofStory = stuckOf(snapshotOf(story), settings, now + seconds * 1_000);
      toldByLedger.push([seconds, ofLedger?.cause, ofLedger?.attempt]);
      toldByStory.push([seconds, ofStory?.cause, ofStory?.attempt]);
      // Among all jobs it is found for the same reason as by its id.
      const found = (await findStuckJobs(bench.pool, { ...settings, limit: 100 })).filter(({ jobId }) => jobId === job);
      expect(found.map(({ stuck }) => stuck.cause)).toEqual(ofLedger === undefined ? [] : [ofLedger.cause]);
    }
    expect(toldByLedger).toEqual(toldByStory);
  });
});

/** As its workflow is told of it, by the mail that waits for it. */
async function toldOf(job: string): Promise<readonly Fact[]> {
  const { rows } = await bench.pool.query<{ attempt: number; payload: { target: number; refusal: null } }>(
    `SELECT attempt, payload FROM mailbox WHERE job = $1 AND kind = 'repair' ORDER BY id`,
    [job],
  );
  return rows.map(({ attempt, payload: { target, refusal } }) => ({ kind: 'line', refusal, to: { attempt, target } }));
}

test('Postgres and the workflow call it the same: a job that was refused, waits again, and was sent on', async () => {
  const pools = [await bench.addPool(), await bench.addPool()];
  const route = pools.map((pool, index) => ({ ...target, ...timed, pool, name: `vendor/${index}` }));
  const targets = (name: string) => [{ name, outstandingMax: null, perMinuteMax: null }];
  for (const { pool: id, name } of route)
    await upsertPools(bench.pool, [
      { id, provider: 'vendor', outstandingMax: 9, perMinuteMax: 600, targets: targets(name) },
    ]);
  const job = await bench.acceptOne({ pool: pools[0] ?? '', target: { ...timed, name: 'vendor/0' } });
  await bench.pool.query('UPDATE jobs SET route = $2 WHERE id = $1', [job, JSON.stringify(route)]);
  let story: Story = openStory({ route }, Date.now());
  for (const { ledger, facts } of [begun, refused('rate_limited'), inLineAgain]) {
    await ledger(job);
    for (const fact of facts) story = heard(story, fact, Date.now());
  }
  await bench.pool.query('UPDATE targets SET admits = 0, probing_since = clock_timestamp() WHERE pool = $1', [
    pools[0],
  ]);
  await bench.grant();
  expect(await createSpillPass({ pool: bench.pool }).round()).toBe(1);
  for (const fact of await toldOf(job)) story = heard(story, fact, Date.now());
  expect(snapshotOf(story).waiting?.target).toBe('vendor/1');
  const now = Date.now();
  let aged = 0;
  for (const seconds of ages) {
    await bench.age(job, seconds - aged);
    aged = seconds;
    const [row] = await readSnapshots(bench.pool, [job]);
    const ofLedger = row && stuckOf(row.snapshot, settings, row.now);
    const ofStory = stuckOf(snapshotOf(story), settings, now + seconds * 1_000);
    expect([seconds, ofStory?.cause]).toEqual([seconds, ofLedger?.cause]);
    expect(ofStory?.cause).not.toBe('provider_refusing');
  }
});

/** What Temporal UI advises, and what the command line does. */
const commandOf = (details: string): string | undefined => /^> `(npm run ops .+)`$/m.exec(details)?.[1];

test.each(['auth', 'no_credit'] as const)(
  'Postgres and the workflow advise the same command for a job that was refused (%s) and waits at the second of three targets',
  async (code) => {
    const pools = [await bench.addPool(), await bench.addPool(), await bench.addPool()];
    const route = pools.map((pool, index) => ({ ...target, pool, name: `vendor/${index}` }));
    const job = await bench.acceptOne({ pool: pools[0] ?? '' });
    await bench.pool.query('UPDATE jobs SET route = $2 WHERE id = $1', [job, JSON.stringify(route)]);
    await bench.beginNext(job, 1);
    await bench.refuse(job, code);
    await bench.row(`SELECT queue_attempt($1, 2, 1, 'retry', '0')`, job);
    await bench.age(job, 1_000);
    const refusal = failureOf(code);
    const facts: readonly Fact[] = [
      permit,
      { kind: 'submitting', attempt: 1 },
      { kind: 'submitted', attempt: 1, answer: { kind: 'refused', failure: refusal } },
      { kind: 'ticket', ticket: { attempt: 2, target: 1, kind: 'retry' }, answer: 'queued' },
    ];
    const past = Date.now() - 1_000_000;
    const story = facts.reduce((before, fact) => heard(before, fact, past), openStory({ route }, past));
    const stuck = stuckOf(snapshotOf(story), settings, Date.now());
    const details = accountOf({ jobId: job, story, stuck }, Date.now());
    const [found] = await findStuckJobs(bench.pool, { ...settings, jobId: job, limit: 1 });
    expect(found).toMatchObject({ target: 'vendor/1', elsewhere: 'vendor/2' });
    expect(commandOf(details)).toBe(found && adviceOf(found.stuck, found).command);
  },
);
