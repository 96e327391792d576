import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { type CpuUse, noiseWarning } from './cpu.ts';
import { lineChart, writePlot } from './plot.ts';
import type { SlotUse } from './slot-use.ts';
import type { Submits } from './start-vendor.ts';
import { cpuTable, rounded, table } from './table.ts';

export interface UtilisationOptions {
  readonly temporal: TemporalServerKind;
  /** What the account may have under way at once, and start in a minute, at the vendor. */
  readonly slots: number;
  readonly perMinute: number;
  readonly videoSeconds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly users: number;
  /** The dimension in which the catalogue promises five times of what the vendor allows, if any. */
  readonly learned: 'outstanding' | 'rate' | undefined;
  readonly plot: boolean;
}

/** How far the catalogue's promise is off. */
export const overstated = 5;
export interface Utilisation {
  readonly options: UtilisationOptions;
  readonly use: SlotUse;
  /** Of the dimension that was learned; otherwise of the slots. */
  readonly share: number;
  readonly submits: Submits;
  readonly backlogLeft: number;
  readonly secondsToFill: number;
  readonly videoMs: number;
  readonly cpu: CpuUse;
  readonly overTime: readonly (readonly [seconds: number, share: number])[];
}

/** Prints a run, plots it where that was asked for, and returns its line of JSON. */
export async function tellUtilisation(result: Utilisation, say: (line: string) => void): Promise<object> {
  const { options, use, share, submits, videoMs, cpu } = result;
  const { learned, slots, perMinute, temporal } = options;
  const refusedShare = submits.rejected / Math.max(1, submits.all);
  const off = learned === undefined ? '' : `, of which the catalogue promises ${overstated} times the ${learned}`;
  say(
    `utilisation: ${slots} slots, ${perMinute} starts a minute${off}; ${options.seconds} s, two workers, ${temporal}\n`,
  );
  say(
    table([
      ['', 'in use', 'submits', 'refused', 'over limit', 'most', 'empty ms', 'video ms', 's to fill', 'backlog left'],
      [
        learned ?? 'outstanding',
        share.toFixed(3),
        submits.all,
        submits.rejected,
        use.violations,
        use.outstandingMax,
        use.gapMs,
        videoMs,
        result.secondsToFill,
        result.backlogLeft,
      ],
    ]),
  );
  say('');
  say(cpuTable(cpu));
  say(noiseWarning([cpu]) ?? '');
  if (options.plot) say(`  ${await plot(result)}`);
  return {
    bench: learned === undefined ? 'utilisation' : 'utilisation-learned',
    figure: Number(share.toFixed(3)),
    unit: 'of what is permitted',
    // Where the catalogue is wrong a refusal is how we learn; where it is right there is no excuse for one.
    violations: use.violations + (learned === undefined ? submits.rejected : 0),
    refused_share: Number(refusedShare.toFixed(4)),
    empty_ms: rounded(use.gapMs),
    video_ms: rounded(videoMs),
    learned: learned ?? null,
    slots,
    seconds: options.seconds,
    temporal,
    others: rounded(cpu.othersShare),
  };
}

async function plot({ options, overTime }: Utilisation): Promise<string> {
  const { learned, slots, perMinute, videoSeconds, temporal } = options;
  const permitted = learned === 'rate' ? `${perMinute} starts a minute` : `${slots} slots`;
  const aim = learned === undefined ? 0.97 : 0.9;
  const svg = lineChart({
    title:
      learned === undefined ? 'Slots in use at the vendor' : 'In use at the vendor while its real limit is learned',
    subtitle: `${permitted}, videos of ${videoSeconds} s, two workers, Temporal: ${temporal}`,
    x: 'seconds since the workers were started',
    y: `share of the permitted ${learned === 'rate' ? 'starts' : 'slots'}`,
    yMax: learned === 'rate' ? 2 : 1.05,
    series: [{ name: 'in use', points: overTime }],
    marks: [{ name: `aim ${aim}`, value: aim }],
  });
  return await writePlot(learned === undefined ? 'utilisation' : `utilisation-learned-${learned}`, svg);
}
