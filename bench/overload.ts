import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FloodPlan, FloodReport } from './flood-generator.ts';
import { cpuBetween, noiseWarning, readCpu } from './cpu.ts';
import { percentilesOf } from './histogram.ts';
import { countLost, idsFileOf } from './load.ts';
import { forkProgram, messageOf, type Program } from './program.ts';
import { root } from './root.ts';
import { openStage, type Stage, startSpillway } from './stage.ts';
import { residentMegabytes } from './resident.ts';
import { cpuTable, rounded, table } from './table.ts';
import { createTenant } from './tenant.ts';

export interface OverloadOptions {
  /** Of the flood. */
  readonly seconds: number;
  /** Of each step on the way to the peak. */
  readonly stepSeconds: number;
  readonly firstRate: number;
}

const stepFactor = 1.25;
const flood = 3;
/** A step that takes in less than this share of what it was offered is beyond the peak. */
const keepsUp = 0.97;
/** What is accepted later than this is not what we promise, at the peak as little as in the flood. */
const promisedMs = 200;
const afterwardsSeconds = 12;
const pauseMs = 1_000;

interface Phase {
  readonly name: string;
  readonly ratePerSecond: number;
  readonly report: FloodReport;
  readonly goodput: number;
}

/**
 * What becomes of an API that is offered three times what it can take: open loop, on the machine's own cores, one of which
 * the flood wants for itself. First the rate is raised until the API no longer keeps up, which gives the peak. Goodput is
 * what is accepted within the 200 ms that we promise.
 */
export async function benchOverload(options: OverloadOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage({ temporal: false });
  const generator = forkProgram({ name: 'flood', script: join(root, 'bench/flood-generator.ts') });
  try {
    const apiKey = await createTenant(stage);
    const api = await startSpillway(stage, 'api');
    const run = phaseRunner({ ...stage, apiKey }, generator, say);
    await run({ name: 'warm-up', ratePerSecond: options.firstRate / 2, seconds: 3 });
    const peak = await findPeak(run, options);
    const memoryBefore = await residentMegabytes(api.pid);
    const measured = [...stage.servers, api, generator];
    const cpuBefore = await readCpu(measured);
    const ratePerSecond = Math.round(peak * flood);
    const flooded = await run({ name: `${flood} x the peak`, ratePerSecond, seconds: options.seconds });
    const memoryAfter = await residentMegabytes(api.pid);
    const cpu = cpuBetween(cpuBefore, await readCpu(measured), availableParallelism());
    const afterwards = await run({
      name: 'half the peak',
      ratePerSecond: Math.round(peak / 2),
      seconds: afterwardsSeconds,
    });
    await api.stop();
    const { lost } = await countLost(stage);
    const share = flooded.goodput / peak;
    const recovery = afterwards.report.refusedBySecond.findLastIndex((count) => count > 0) + 1;
    say(
      `  goodput ${(share * 100).toFixed(0)} % of the peak; no refusal from second ${recovery} after it on; ${lost} lost`,
    );
    say(`  memory of the API: ${memoryBefore} MB before, ${memoryAfter} MB after`);
    say(cpuTable(cpu));
    say(noiseWarning([cpu]) ?? '');
    const refusalMs = rounded(percentilesOf(flooded.report.refusedMs).p99);
    return {
      bench: 'overload',
      figure: rounded(share),
      unit: 'of the peak',
      refusal_p99_ms: refusalMs,
      recovery,
      lost,
    };
  } finally {
    await generator.stop();
    await stage.stop();
  }
}

interface PhaseWish {
  readonly name: string;
  readonly ratePerSecond: number;
  readonly seconds: number;
}

type RunPhase = (wish: PhaseWish) => Promise<Phase>;

/** The most that was accepted in time, while it kept up and in the first step in which it did not. */
async function findPeak(run: RunPhase, { firstRate, stepSeconds: seconds }: OverloadOptions): Promise<number> {
  let peak = 0;
  for (let rate = firstRate; ; rate *= stepFactor) {
    const ratePerSecond = Math.round(rate);
    const { goodput } = await run({ name: 'step', ratePerSecond, seconds });
    peak = Math.max(peak, goodput);
    if (goodput < ratePerSecond * keepsUp) return peak;
  }
}

function phaseRunner(stage: Stage, generator: Program, say: (line: string) => void): RunPhase {
  let isFirst = true;
  return async ({ name, ratePerSecond, seconds }) => {
    const { apiKey, ports } = stage;
    const plan = { kind: 'plan', port: ports.api, apiKey, ratePerSecond, seconds, idsFile: idsFileOf(stage) } as const;
    const reported = messageOf<FloodReport>(generator, 'report');
    generator.child.send(plan satisfies FloodPlan);
    const report = await reported;
    const goodput = report.acceptedMs.filter((ms) => ms <= promisedMs).length / seconds;
    const row = rowOf({ name, ratePerSecond, report, goodput });
    say(isFirst ? table([headings, row]) : (table([headings, row]).split('\n')[1] ?? ''));
    isFirst = false;
    if (Object.keys(report.errors).length > 0) say(`    errors: ${JSON.stringify(report.errors)}`);
    await delay(pauseMs);
    return { name, ratePerSecond, report, goodput };
  };
}

const headings = [
  'phase           ',
  'offered/s',
  'in time/s',
  'refused',
  '202 p50 ms',
  '202 p99 ms',
  'refusal p50',
  'refusal p99',
  'sent late p99',
];

function rowOf({ name, ratePerSecond, report, goodput }: Phase) {
  const accepted = percentilesOf(report.acceptedMs);
  const refused = percentilesOf(report.refusedMs);
  const share = report.refusedMs.length / (report.refusedMs.length + report.acceptedMs.length);
  return [
    name,
    ratePerSecond,
    goodput,
    `${(share * 100).toFixed(1)} %`,
    accepted.p50,
    accepted.p99,
    refused.p50,
    refused.p99,
    report.sentLateMs,
  ];
}
