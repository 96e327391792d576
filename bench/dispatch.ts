import { join } from 'node:path';
import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import type { LoadReport } from './load-generator.ts';
import { forkProgram, messageOf } from './program.ts';
import { openStage, type Stage, startSimulator, startSpillway } from './stage.ts';
import { rounded, table } from './table.ts';
import { withClient } from './transactions.ts';

export interface DispatchOptions {
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly temporal: TemporalServerKind;
}

interface Waits {
  readonly jobs: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** From the acceptance of a job to the POST at the provider, while slots are free: grant, mail, workflow, ledger. */
export async function benchDispatch(options: DispatchOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage(options);
  try {
    const programs = [
      await startSimulator(stage),
      await startSpillway(stage, 'api'),
      await startSpillway(stage, 'worker'),
    ];
    const errors = await offerLoad(stage, options);
    const waits = await readWaits(stage, options.seconds);
    for (const program of programs.toReversed()) await program.stop();
    say(`dispatch: ${options.ratePerSecond} requests/s for ${options.seconds} s, one worker, slots always free`);
    say(
      table([
        ['', 'p50', 'p90', 'p99', 'max'],
        ['ms', waits.p50, waits.p90, waits.p99, waits.max],
      ]),
    );
    return {
      bench: 'dispatch',
      temporal: options.temporal,
      figure: rounded(waits.p99),
      unit: 'ms',
      jobs: waits.jobs,
      errors,
    };
  } finally {
    await stage.stop();
  }
}

const warmUpSeconds = 3;

async function offerLoad(stage: Stage, { ratePerSecond, seconds }: DispatchOptions): Promise<number> {
  const generator = forkProgram({ name: 'load', script: join(import.meta.dirname, 'load-generator.ts') });
  try {
    const reported = messageOf<LoadReport>(generator, 'report');
    const origin = `http://127.0.0.1:${stage.ports.api}`;
    const idsFile = join(stage.directory, 'accepted-ids');
    generator.child.send({ origin, apiKey: stage.apiKey, ratePerSecond, warmUpSeconds, seconds, idsFile });
    const { errors } = await reported;
    return Object.values(errors).reduce((sum, count) => sum + count, 0);
  } finally {
    await generator.stop();
  }
}

/** By the database's clock on both sides: the ledger row is written in the moment before the POST. */
async function readWaits(stage: Stage, seconds: number): Promise<Waits> {
  return await withClient(stage.databaseUrl, async (client) => {
    const { rows } = await client.query<Waits>(
      `WITH waits AS (
         SELECT extract(epoch FROM attempts.submitted_at - jobs.accepted_at) * 1000 AS ms
         FROM attempts JOIN jobs ON jobs.id = attempts.job
         WHERE attempts.attempt = 1
           AND jobs.accepted_at > (SELECT max(accepted_at) FROM jobs) - $1 * interval '1 second'
       )
       SELECT count(*)::int AS jobs, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::float8 AS p50,
              percentile_cont(0.9) WITHIN GROUP (ORDER BY ms)::float8 AS p90,
              percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::float8 AS p99, max(ms)::float8 AS max
       FROM waits`,
      [seconds],
    );
    const [waits] = rows;
    if (waits === undefined) throw new Error('no job was submitted');
    return waits;
  });
}
