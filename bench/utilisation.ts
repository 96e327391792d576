import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { apiTenant, type Line, openLine, ownersOf, readTemplate } from './backlog.ts';
import { cpuBetween, readCpu } from './cpu.ts';
import type { Program } from './program.ts';
import { slotUseOf, startsOverTime, useOverTime } from './slot-use.ts';
import { openStage, type Stage, startSpillway, startWorkers } from './stage.ts';
import { startVendor, type Vendor } from './start-vendor.ts';
import { overstated, tellUtilisation, type Utilisation, type UtilisationOptions } from './utilisation-report.ts';
import type { VendorBooks } from './vendor.ts';

const workers = 2;

/** How much of what an account permits is in use at the vendor while somebody waits, and whether it is ever exceeded. */
export async function benchUtilisation(options: UtilisationOptions, say: (line: string) => void): Promise<object> {
  const { temporal, slots, perMinute, videoSeconds, learned } = options;
  const promised = {
    outstanding: learned === 'outstanding' ? slots * overstated : slots,
    per_minute: learned === 'rate' ? perMinute * overstated : perMinute,
  };
  const stage = await openStage({ temporal, catalogue: { kind: 'one-pool', wavespeed: promised, videoSeconds } });
  try {
    const vendor = await startVendor(stage, { limits: { outstanding: slots, perMinute }, videoSeconds });
    return await tellUtilisation(await measure(stage, { vendor, options }), say);
  } finally {
    await stage.stop();
  }
}

interface Measuring {
  readonly vendor: Vendor;
  readonly options: UtilisationOptions;
}

async function measure(stage: Stage, { vendor, options }: Measuring): Promise<Utilisation> {
  const programs: Program[] = [vendor.program];
  try {
    programs.push(await startSpillway(stage, 'api'));
    const line = openLine(stage, await readTemplate(stage));
    try {
      await line.add(ownersOf({ jobs: backlogOf(options), tenant: apiTenant, users: options.users }));
      const startedAt = Date.now();
      programs.push(...(await startWorkers(stage, { count: workers })));
      return await observe({ stage, vendor, options, line, programs, startedAt });
    } finally {
      await line.close();
    }
  } finally {
    for (const program of programs.toReversed()) await program.stop();
  }
}

interface Observing extends Measuring {
  readonly stage: Stage;
  readonly line: Line;
  readonly programs: readonly Program[];
  readonly startedAt: number;
}

async function observe(observing: Observing): Promise<Utilisation> {
  const { stage, vendor, options, line, programs, startedAt } = observing;
  const measured = [...stage.servers, ...programs];
  await delay(options.warmUpSeconds * 1_000);
  const from = Date.now();
  const [submitsBefore, cpuBefore] = [await vendor.readSubmits(), await readCpu(measured)];
  await delay(options.seconds * 1_000);
  const to = Date.now();
  const [submitsAfter, cpuAfter] = [await vendor.readSubmits(), await readCpu(measured)];
  const backlogLeft = await line.countWaiting();
  if (backlogLeft === 0)
    throw new Error('The backlog ran out, so nothing was measured. Raise --slots or lower --seconds.');
  const books = await vendor.readBooks();
  const window = { from, to, slots: options.slots };
  const use = slotUseOf(books, window);
  return {
    options,
    use,
    share: options.learned === 'rate' ? (use.starts * 60_000) / (options.perMinute * (to - from)) : use.share,
    submits: { all: submitsAfter.all - submitsBefore.all, rejected: submitsAfter.rejected - submitsBefore.rejected },
    backlogLeft,
    secondsToFill: secondsToFill(books, { slots: options.slots }),
    videoMs: mean(books.durationsMs),
    cpu: cpuBetween(cpuBefore, cpuAfter, availableParallelism()),
    overTime:
      options.learned === 'rate'
        ? startsOverTime(books, { from: startedAt, to, ...options, bucketMs: 10_000 })
        : useOverTime(books, { from: startedAt, to, ...options, bucketMs: 1_000 }),
  };
}

/** Enough for the whole run, if every slot were always in use and no minute's limit held anything back. */
function backlogOf({ slots, perMinute, videoSeconds, seconds, warmUpSeconds }: UtilisationOptions): number {
  const startsPerSecond = Math.min(slots / videoSeconds, perMinute / 60);
  return Math.ceil(1.3 * startsPerSecond * (seconds + warmUpSeconds)) + 2 * slots;
}

/** From the first submit to the moment at which nearly every slot was taken for the first time. */
function secondsToFill({ at, outstanding }: VendorBooks, { slots }: { readonly slots: number }): number {
  const full = outstanding.findIndex((level) => level >= 0.97 * slots);
  return full === -1 ? Number.POSITIVE_INFINITY : ((at[full] ?? 0) - (at[0] ?? 0)) / 1_000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
