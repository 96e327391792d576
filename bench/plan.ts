import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { barChart, writePlot } from './plot.ts';
import { root } from './root.ts';
import { rounded, table } from './table.ts';

const planSchema = z.object({
  accounts: z.array(
    z.object({
      account: z.string(),
      served: z.number(),
      drain_seconds: z.number(),
      refusals_429: z.number(),
      wait_seconds: z.object({ p50: z.number().nullable(), p99: z.number().nullable() }),
    }),
  ),
});

type Account = z.output<typeof planSchema>['accounts'][number];

const planWithinMs = 600_000;
/** A week, the longest that a job may wait. */
const queueTtlSeconds = 604_800;

/** What the planner says of a burst, for the document. In virtual time, so a busy machine changes nothing. */
export async function benchPlan(
  { jobs, plot }: { readonly jobs: number; readonly plot: boolean },
  say: (line: string) => void,
): Promise<object> {
  const wish = ['plan', '--burst', String(jobs), '--queue-ttl', String(queueTtlSeconds), '--json'];
  const cli = join(root, 'src/main/cli.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', cli, ...wish], {
    cwd: root,
    timeout: planWithinMs,
  });
  const { accounts } = planSchema.parse(JSON.parse(stdout));
  say(`plan: ${jobs} jobs of wan-2.6 within a minute, by account level`);
  say(table([['', 'served', 'wait p50 h', 'p99 h', 'drained after h', '429s'], ...accounts.map(rowOf)]));
  if (plot) say(`  ${await plotPlan(accounts, jobs)}`);
  const ultra = accounts.find(({ account }) => account === 'ultra');
  return { bench: 'plan', figure: rounded((ultra?.drain_seconds ?? 0) / 60), unit: 'minutes to drain at ultra', jobs };
}

function rowOf({ account, served, wait_seconds, drain_seconds, refusals_429 }: Account) {
  return [account, served, hours(wait_seconds.p50), hours(wait_seconds.p99), hours(drain_seconds), refusals_429];
}

function hours(seconds: number | null): number {
  return (seconds ?? Number.POSITIVE_INFINITY) / 3_600;
}

async function plotPlan(accounts: readonly Account[], jobs: number): Promise<string> {
  // Bronze would take two weeks, beside which nothing else could be seen.
  const shown = accounts.filter(({ account }) => account !== 'bronze');
  const svg = barChart({
    title: `The wait in a burst of ${jobs.toLocaleString('en-US')}, as planned`,
    subtitle: 'wan-2.6 at WaveSpeed, by account level; virtual time',
    y: 'hours from acceptance to grant',
    bars: shown.flatMap(({ account, wait_seconds }) => [
      { name: `${account}, p50`, value: hours(wait_seconds.p50) },
      { name: 'p99', value: hours(wait_seconds.p99) },
    ]),
  });
  return await writePlot('plan', svg);
}
