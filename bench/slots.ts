import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { openStage, startSimulator } from './stage.ts';
import { rounded, type Row, table } from './table.ts';
import { runOurs, type VariantResult } from './variants.ts';

export interface SlotsOptions {
  readonly jobs: number;
  readonly rounds: number;
  readonly submittingMax: number;
  readonly temporal: TemporalServerKind;
}

type Tuning = readonly [name: string, env: Readonly<Record<string, string>>];

/** The defaults, and each figure of a worker once much lower and once much higher. */
const tunings: readonly Tuning[] = [
  ['defaults', {}],
  ['workflow slots 25', { WORKER_WORKFLOW_SLOTS: '25' }],
  ['workflow slots 400', { WORKER_WORKFLOW_SLOTS: '400' }],
  ['workflow pollers 5', { WORKER_WORKFLOW_POLLERS: '5' }],
  ['workflow pollers 60', { WORKER_WORKFLOW_POLLERS: '60' }],
  ['activity pollers 3', { WORKER_ACTIVITY_POLLERS: '3' }],
  ['activity pollers 30', { WORKER_ACTIVITY_POLLERS: '30' }],
  ['cached workflows 100', { WORKER_CACHED_WORKFLOWS: '100' }],
  ['cached workflows 4000', { WORKER_CACHED_WORKFLOWS: '4000' }],
  ['relay hands 10', { WORKER_RELAY_HANDS: '10' }],
  ['relay hands 200', { WORKER_RELAY_HANDS: '200' }],
];

/** The same jobs with one figure of the worker changed at a time; every second round backwards. */
export async function benchSlots(options: SlotsOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage(options);
  const simulator = await startSimulator(stage);
  const results = new Map<string, VariantResult[]>(tunings.map(([name]) => [name, []]));
  try {
    for (let round = 0; round < options.rounds; round += 1)
      for (const [name, workerEnv] of round % 2 === 0 ? tunings : tunings.toReversed()) {
        const result = await runOurs(stage, simulator, { ...options, workerEnv });
        results.get(name)?.push(result);
        say(`  ${name.padEnd(22)} ${rounded(result.jobs / result.seconds)} jobs/s`);
      }
  } finally {
    await simulator.stop();
    await stage.stop();
  }
  const rows = [...results].map(([name, runs]): Row => [name, rate(runs), cpuMsPerJob(runs)]);
  say(`\nslots: ${options.jobs} jobs at once, ${options.rounds} round(s)\n`);
  say(table([['', 'jobs/s', 'CPU ms/job worker'], ...rows]));
  return {
    bench: 'slots',
    jobs_per_second: Object.fromEntries([...results].map(([name, runs]) => [name, rate(runs)])),
  };
}

function rate(runs: readonly VariantResult[]): number {
  return rounded(sum(runs, ({ jobs }) => jobs) / sum(runs, ({ seconds }) => seconds));
}

function cpuMsPerJob(runs: readonly VariantResult[]): number {
  return rounded(sum(runs, ({ cpu }) => cpu.msByName.get('worker') ?? 0) / sum(runs, ({ jobs }) => jobs));
}

function sum(runs: readonly VariantResult[], value: (run: VariantResult) => number): number {
  return runs.reduce((total, run) => total + value(run), 0);
}
