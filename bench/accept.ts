import { join } from 'node:path';
import { type CpuUse, noiseWarning } from './cpu.ts';
import { percentilesOf } from './histogram.ts';
import { countLost, idsFileOf, offerLoad } from './load.ts';
import type { LoadPlan, LoadReport } from './load-generator.ts';
import { root } from './root.ts';
import { openStage, type Stage, startSpillway } from './stage.ts';
import { rounded, table } from './table.ts';
import { createTenant } from './tenant.ts';
import { committedTransactions } from './transactions.ts';

export interface AcceptOptions {
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly selfie: boolean;
  /** By the operator's key, for a tenant without limits and budgets. */
  readonly bare: boolean;
}

const warmUpSeconds = 3;

/** `POST /v1/videos` alone: an API and Postgres, an open loop, no worker. */
export async function benchAccept(options: AcceptOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage({ temporal: false });
  try {
    const transactionsBefore = await committedTransactions(stage.databaseUrl);
    const apiKey = options.bare ? stage.apiKey : await createTenant(stage);
    const api = await startSpillway(stage, 'api');
    const plan = { ...planOf(stage, options), apiKey };
    const { report, cpu } = await offerLoad(stage, { programs: [api], plan });
    await api.stop();
    const transactions = (await committedTransactions(stage.databaseUrl)) - transactionsBefore;
    const lost = (await countLost(stage)).lost;
    const errors = Object.values(report.errors).reduce((sum, count) => sum + count, 0);
    const { p99 } = percentilesOf(report.latenciesMs);
    tell(say, { options, report, cpu, transactions, lost, errors });
    const bench = options.selfie ? 'accept-selfie' : 'accept';
    return { bench, figure: rounded(p99), unit: 'ms', errors, lost };
  } finally {
    await stage.stop();
  }
}

function planOf(stage: Stage, { ratePerSecond, seconds, selfie }: AcceptOptions): LoadPlan {
  return {
    origin: `http://127.0.0.1:${stage.ports.api}`,
    apiKey: stage.apiKey,
    ratePerSecond,
    warmUpSeconds,
    seconds,
    ...(selfie ? { selfie: join(root, 'assets/selfie.jpg') } : {}),
    idsFile: idsFileOf(stage),
  };
}

interface Told {
  readonly options: AcceptOptions;
  readonly report: LoadReport;
  readonly cpu: CpuUse;
  readonly transactions: number;
  readonly lost: number;
  readonly errors: number;
}

function tell(say: (line: string) => void, { options, report, cpu, transactions, lost, errors }: Told): void {
  const { p50, p90, p99, p999, max } = percentilesOf(report.latenciesMs);
  const counted = report.latenciesMs.length;
  const form = options.selfie ? 'multipart with a selfie' : 'JSON';
  const tenant = options.bare ? 'the operator’s key' : 'a tenant with limits and budgets';
  say(`accept: ${options.ratePerSecond} requests/s for ${options.seconds} s, ${form}, ${tenant}, open loop`);
  say('  latency from the scheduled moment of each request to the end of its answer, 3 s of warm-up left out\n');
  say(
    table([
      ['', 'p50', 'p90', 'p99', 'p99.9', 'max'],
      ['ms', p50, p90, p99, p999, max],
    ]),
  );
  say('');
  say(
    table([
      ['achieved', 'requests', 'accepted', 'errors', 'lost', 'tx/request'],
      [
        `${rounded(report.achievedRate)}/s`,
        report.requests,
        report.accepted,
        errors,
        lost,
        transactions / report.accepted,
      ],
    ]),
  );
  if (errors > 0) say(`  errors: ${JSON.stringify(report.errors)}`);
  say('');
  const names = [...cpu.msByName.keys()];
  say(
    table([
      ['CPU', ...names],
      ['ms/request', ...names.map((name) => (cpu.msByName.get(name) ?? 0) / counted)],
      ['cores', ...names.map((name) => (cpu.msByName.get(name) ?? 0) / 1_000 / cpu.seconds)],
    ]),
  );
  say(`  programs that are none of ours took ${(cpu.othersShare * 100).toFixed(0)} % of the machine`);
  say(noiseWarning([cpu]) ?? '');
}
