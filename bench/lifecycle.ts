import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { noiseWarning } from './cpu.ts';
import { openStage, startSimulator } from './stage.ts';
import { rounded, type Row, table } from './table.ts';
import {
  type LifecycleSettings,
  runBare,
  runOurs,
  runTextbook,
  type VariantName,
  type VariantResult,
} from './variants.ts';

export interface LifecycleOptions extends LifecycleSettings {
  readonly rounds: number;
  readonly variants: readonly VariantName[];
  readonly temporal: TemporalServerKind;
}

/** The same job in three ways on the same servers, one after the other; every second round backwards. */
export async function benchLifecycle(options: LifecycleOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage(options);
  try {
    const simulator = await startSimulator(stage);
    try {
      const run: Record<VariantName, () => Promise<VariantResult>> = {
        ours: () => runOurs(stage, simulator, options),
        textbook: () => runTextbook(stage, simulator, options),
        bare: () => runBare(stage, options),
      };
      const results: VariantResult[] = [];
      for (let round = 0; round < options.rounds; round += 1) {
        const order = round % 2 === 0 ? options.variants : options.variants.toReversed();
        for (const name of order) {
          const result = await run[name]();
          say(
            `  ${name.padEnd(8)} ${rounded(result.jobs / result.seconds)} jobs/s, other programs took ${percent(result)}`,
          );
          results.push(result);
        }
      }
      tell(say, options, results);
      return { ...summary(results), temporal: options.temporal };
    } finally {
      await simulator.stop();
    }
  } finally {
    await stage.stop();
  }
}

function percent({ cpu }: VariantResult): string {
  return `${(cpu.othersShare * 100).toFixed(0)} %`;
}

function of(results: readonly VariantResult[], name: VariantName): readonly VariantResult[] {
  return results.filter((result) => result.name === name);
}

function rateOf(results: readonly VariantResult[]): number {
  return sum(results, ({ jobs }) => jobs) / sum(results, ({ seconds }) => seconds);
}

function cpuMsPerJob(results: readonly VariantResult[], process: string): number {
  return sum(results, ({ cpu }) => cpu.msByName.get(process) ?? 0) / sum(results, ({ jobs }) => jobs);
}

function mean(results: readonly VariantResult[], value: (result: VariantResult) => number): number {
  return sum(results, value) / results.length;
}

function sum(results: readonly VariantResult[], value: (result: VariantResult) => number): number {
  return results.reduce((total, result) => total + value(result), 0);
}

const processes = ['temporal', 'postgres', 'api', 'worker', 'simulator', 'client', 'bench'];

const servers: Readonly<Record<TemporalServerKind, string>> = {
  dev: 'Temporal dev server on SQLite',
  postgres: 'Temporal on the same Postgres',
};

function tell(say: (line: string) => void, options: LifecycleOptions, results: readonly VariantResult[]): void {
  const columns = options.variants.map((name) => ({ name, runs: of(results, name) }));
  const row = (name: string, value: (runs: readonly VariantResult[]) => string | number): Row => [
    name,
    ...columns.map(({ runs }) => value(runs)),
  ];
  say(
    `\nlifecycle: ${options.jobs} jobs at once, ${options.rounds} round(s), at most ${options.submittingMax} submits open, ${servers[options.temporal]}\n`,
  );
  say(
    table([
      ['', ...columns.map(({ name }) => name)],
      row('jobs/s', rateOf),
      row('errors', (runs) => sum(runs, ({ errors }) => errors)),
      row('POST p50 ms', (runs) => mean(runs, ({ answer }) => answer?.p50 ?? 0)),
      row('POST p99 ms', (runs) => mean(runs, ({ answer }) => answer?.p99 ?? 0)),
      row('Temporal events/job', (runs) => mean(runs, ({ eventsPerJob }) => eventsPerJob)),
      row('Postgres tx/job', (runs) => mean(runs, ({ transactionsPerJob }) => transactionsPerJob)),
      ...processes.map((process) => row(`CPU ms/job ${process}`, (runs) => cpuMsPerJob(runs, process))),
      row('CPU ms/job all', allCpu),
      row('other programs', (runs) => `${(mean(runs, ({ cpu }) => cpu.othersShare) * 100).toFixed(0)} %`),
    ]),
  );
  say(noiseWarning(results.map(({ cpu }) => cpu)) ?? '');
}

function allCpu(runs: readonly VariantResult[]): number {
  return processes.reduce((total, process) => total + cpuMsPerJob(runs, process), 0);
}

function summary(results: readonly VariantResult[]): object {
  const [ours, textbook, bare] = [of(results, 'ours'), of(results, 'textbook'), of(results, 'bare')];
  return {
    bench: 'lifecycle',
    figure: ratio(ours, textbook),
    unit: 'x textbook',
    bare: ratio(ours, bare),
    jobs_per_second: rounded(rateOf(ours)),
    errors: sum(ours, ({ errors }) => errors),
    events: rounded(mean(ours, ({ eventsPerJob }) => eventsPerJob)),
    cpu_ms: rounded(allCpu(ours)),
  };
}

/** Null where the other was not run. */
function ratio(ours: readonly VariantResult[], other: readonly VariantResult[]): number | null {
  return ours.length === 0 || other.length === 0 ? null : rounded(rateOf(ours) / rateOf(other));
}
