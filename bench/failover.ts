import { setTimeout as delay } from 'node:timers/promises';
import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import type { FaultPlan } from '../src/simulator/fault.ts';
import {
  type FailoverPlan,
  type FailoverStage,
  openFailoverStage,
  otherAccount,
  primary,
  sameAccount,
} from './failover-stage.ts';
import { rounded, table } from './table.ts';
import { withClient } from './transactions.ts';

export interface FailoverOptions {
  readonly jobs: number;
  readonly slots: number;
  readonly temporal: TemporalServerKind;
}

interface Scenario {
  readonly name: string;
  readonly fallback: FailoverPlan['fallback'];
  readonly faults: FaultPlan;
}

/** Nobody can stop a job at WaveSpeed: what is left there goes on, and is paid. */
const slow: Scenario = {
  name: 'account at 2x its latency',
  fallback: sameAccount,
  faults: [{ vendor: 'wavespeed', share: 1, fault: { kind: 'slow', factor: 2 } }],
};
const failing: Scenario = {
  name: 'primary fails all',
  fallback: otherAccount,
  faults: [{ vendor: 'wavespeed', share: 1, fault: { kind: 'failed' } }],
};
const hanging: Scenario = {
  name: 'primary hangs',
  fallback: otherAccount,
  faults: [{ vendor: 'wavespeed', share: 1, fault: { kind: 'stuck' } }],
};

interface Outcome {
  readonly name: string;
  readonly jobs: number;
  readonly completed: number;
  /** Of these, by the fallback. */
  readonly elsewhere: number;
  readonly submits: number;
  readonly overlaps: number;
  readonly moved: number;
  /** Share of the slots' time, while anybody waited for one, that went into videos that were delivered. */
  readonly goodput: number;
  readonly seconds: number;
}

/** What failover costs where it can't help, and that it helps where it can: a vendor that is slow, that fails, that hangs. */
export async function benchFailover(options: FailoverOptions, say: (line: string) => void): Promise<object> {
  const [atTwice, failed, hung] = [await run(slow, options), await run(failing, options), await run(hanging, options)];
  say(`failover: ${options.jobs} jobs at once, ${options.slots} slots an account, videos of some 3 s`);
  say(table([headings, ...[atTwice, failed, hung].map(rowOf)]));
  return {
    bench: 'failover',
    temporal: options.temporal,
    figure: rounded(atTwice.submits / atTwice.jobs),
    unit: 'submits/job',
    goodput: rounded(atTwice.goodput),
    completed_slow: rounded(atTwice.completed / atTwice.jobs),
    completed_failing: rounded(failed.elsewhere / failed.jobs),
    completed_hanging: rounded(hung.elsewhere / hung.jobs),
    submits_failing: rounded(failed.submits / failed.jobs),
    submits_hanging: rounded(hung.submits / hung.jobs),
  };
}

const headings = ['', 'jobs', 'completed', 'on the fallback', 'submits/job', 'overlaps', 'moved', 'goodput', 'seconds'];

function rowOf({ name, jobs, completed, elsewhere, submits, overlaps, moved, goodput, seconds }: Outcome) {
  return [name, jobs, completed, elsewhere, submits / jobs, overlaps, moved, goodput, seconds];
}

/** In good days, so that the system knows how long a video takes. */
const warmUpJobs = 60;
const settledWithinMs = 90_000;
const lookEveryMs = 250;

async function run({ name, fallback, faults }: Scenario, { jobs, slots, temporal }: FailoverOptions): Promise<Outcome> {
  const failover = await openFailoverStage({ temporal, fallback, slots });
  try {
    await untilSettled(failover, await failover.order(warmUpJobs));
    await failover.setFaults(faults);
    const before = await failover.countSubmits();
    const ids = await failover.order(jobs);
    await untilSettled(failover, ids);
    const submits = (await failover.countSubmits()) - before;
    return { name, jobs, submits, ...(await readOutcome(failover, { ids, slots })) };
  } finally {
    await failover.stop();
  }
}

/** Whoever has not ended by then counts as not completed. */
async function untilSettled({ stage }: FailoverStage, ids: readonly string[]): Promise<void> {
  const giveUpAt = Date.now() + settledWithinMs;
  await withClient(stage.databaseUrl, async (client) => {
    for (;;) {
      const { rowCount } = await client.query(
        'SELECT 1 FROM jobs WHERE id = ANY ($1) AND finished_at IS NULL LIMIT 1',
        [ids],
      );
      if (rowCount === 0 || Date.now() > giveUpAt) return;
      await delay(lookEveryMs);
    }
  });
}

interface Sample {
  readonly ids: readonly string[];
  readonly slots: number;
}

/** The backlog lasts until the last first attempt was sent; slots that are taken later have nobody to be kept from. */
async function readOutcome(
  { stage }: FailoverStage,
  { ids, slots }: Sample,
): Promise<Omit<Outcome, 'name' | 'jobs' | 'submits'>> {
  return await withClient(stage.databaseUrl, async (client) => {
    const { rows } = await client.query<Omit<Outcome, 'name' | 'jobs' | 'submits'>>(
      `WITH ours AS (SELECT * FROM jobs WHERE id = ANY ($1)),
       tries AS (SELECT attempts.* FROM attempts JOIN ours ON ours.id = attempts.job),
       backlog AS (
         SELECT min(submitted_at) AS since, max(submitted_at) FILTER (WHERE attempt = 1) AS until FROM tries
       ), used AS (
         SELECT coalesce(sum(extract(epoch FROM least(ended_at, until) - submitted_at)), 0)::float8 AS seconds
         FROM tries JOIN ours ON ours.id = tries.job AND served_attempt = attempt, backlog WHERE submitted_at < until
       )
       SELECT (SELECT count(*)::int FROM ours WHERE phase = 'completed') AS completed,
              (SELECT count(*)::int FROM ours JOIN tries ON tries.job = ours.id AND attempt = served_attempt
               WHERE phase = 'completed' AND target_name <> $2) AS elsewhere,
              (SELECT count(*)::int FROM tries WHERE overlap) AS overlaps,
              (SELECT count(*)::int FROM job_events JOIN ours ON ours.id = job_events.job WHERE kind = 'attempt.moved') AS moved,
              used.seconds / greatest(extract(epoch FROM until - since)::float8 * $3::int, 0.001) AS goodput,
              (SELECT extract(epoch FROM max(finished_at) - min(accepted_at))::float8 FROM ours) AS seconds
       FROM backlog, used`,
      [ids, primary, slots],
    );
    const [outcome] = rows;
    if (outcome === undefined) throw new Error('The database told nothing of the jobs.');
    return outcome;
  });
}
