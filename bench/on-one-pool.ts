import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { type Line, openLine, readTemplate } from './backlog.ts';
import type { Program } from './program.ts';
import { openStage, type Stage, startSpillway } from './stage.ts';
import { startVendor, type Vendor } from './start-vendor.ts';

export interface OnePool {
  readonly temporal: TemporalServerKind;
  readonly slots: number;
  readonly videoSeconds: number;
}

export interface Scene {
  readonly stage: Stage;
  readonly vendor: Vendor;
  readonly line: Line;
  /** What is started is stopped in the end. */
  readonly programs: Program[];
}

/** So many that only the slots count. */
const perMinute = 60_000;

/** One account whose vendor keeps books, an API, and a line that is open; workers are for the bench to start. */
export async function onOnePool<Result>(
  { temporal, slots, videoSeconds }: OnePool,
  work: (scene: Scene) => Promise<Result>,
): Promise<Result> {
  const wavespeed = { outstanding: slots, per_minute: perMinute };
  const stage = await openStage({ temporal, catalogue: { kind: 'one-pool', wavespeed, videoSeconds } });
  const programs: Program[] = [];
  try {
    const vendor = await startVendor(stage, { limits: { outstanding: slots, perMinute }, videoSeconds });
    programs.push(vendor.program, await startSpillway(stage, 'api'));
    const line = openLine(stage, await readTemplate(stage));
    try {
      return await work({ stage, vendor, line, programs });
    } finally {
      await line.close();
    }
  } finally {
    for (const program of programs.toReversed()) await program.stop();
    await stage.stop();
  }
}
