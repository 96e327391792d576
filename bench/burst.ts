import { setTimeout as delay } from 'node:timers/promises';
import { readProgress } from './burst-progress.ts';
import { tellBurst } from './burst-report.ts';
import type { Burst, BurstOptions } from './burst-result.ts';
import { countLost, idsFileOf, offerLoad } from './load.ts';
import { lookUp, spread, type Told } from './look-up.ts';
import type { Program } from './program.ts';
import { openStage, type Stage, startSpillway, startWorkers } from './stage.ts';
import { startVendor } from './start-vendor.ts';

const warmUpSeconds = 3;
const lookedUp = 200;

/** A campaign begins: everything arrives at once, and dispatch, workflows and callbacks go on beside it. */
export async function benchBurst(options: BurstOptions, say: (line: string) => void): Promise<object> {
  const { temporal, tier, videoSeconds } = options;
  const { outstanding, perMinute } = tier;
  const wavespeed = { outstanding, per_minute: perMinute };
  const stage = await openStage({ temporal, catalogue: { kind: 'shipped', wavespeed } });
  const programs: Program[] = [];
  try {
    const vendor = await startVendor(stage, { limits: { outstanding, perMinute }, videoSeconds });
    programs.push(vendor.program, await startSpillway(stage, 'api'), ...(await startWorkers(stage, { count: 1 })));
    return await tellBurst(await run(stage, { options, programs }), say);
  } finally {
    for (const program of programs.toReversed()) await program.stop();
    await stage.stop();
  }
}

interface Running {
  readonly options: BurstOptions;
  readonly programs: readonly Program[];
}

async function run(stage: Stage, { options, programs }: Running): Promise<Burst> {
  const { ratePerSecond, count, users } = options;
  const plan = {
    origin: `http://127.0.0.1:${stage.ports.api}`,
    apiKey: stage.apiKey,
    ratePerSecond,
    warmUpSeconds,
    seconds: count / ratePerSecond,
    users,
    idsFile: idsFileOf(stage),
  };
  const offered = await offerLoad(stage, { plan, programs });
  const endedAt = Date.now();
  const { lost, ids } = await countLost(stage);
  const answers: (Told | undefined)[] = [];
  for (const id of spread(ids, lookedUp)) answers.push(await lookUp(stage, id));
  const told = answers.filter((answer) => answer !== undefined);
  await delay(options.drainSeconds * 1_000);
  const progress = await readProgress(stage.databaseUrl, endedAt);
  return { options, offered, lost, told, notFound: answers.length - told.length, progress };
}
