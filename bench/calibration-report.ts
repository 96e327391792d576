import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { percentilesOf } from './histogram.ts';
import type { Told } from './look-up.ts';
import { barChart, writePlot } from './plot.ts';
import { rounded, table } from './table.ts';
import { withClient } from './transactions.ts';

export interface CalibrationOptions {
  readonly temporal: TemporalServerKind;
  readonly slots: number;
  readonly videoSeconds: number;
  readonly jobs: number;
  /** One of them has half of the jobs; the others share the rest. */
  readonly users: number;
  readonly plot: boolean;
}

export interface Calibration {
  readonly options: CalibrationOptions;
  readonly ended: readonly Ended[];
  /** Waiting jobs of which no place, or no time, was told. */
  readonly untold: number;
  readonly seconds: number;
}

/** What was told of a job, and what became of it. */
export interface Ended {
  readonly toldPosition: number;
  readonly position: number;
  readonly toldSeconds: number;
  /** From the question to the end of the job. */
  readonly seconds: number;
}

const lookEveryMs = 500;

/** Waits until all of them have ended. The place of a job is how many were granted from the question up to itself. */
export async function readEnds(
  url: string,
  { told, giveUpAt }: { readonly told: readonly Told[]; readonly giveUpAt: number },
): Promise<readonly Ended[]> {
  const columns = [told.map(({ id }) => id), told.map(({ askedAt }) => askedAt)];
  return await withClient(url, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ position: number; seconds: number | null }>(
        `SELECT (SELECT count(*)::int FROM jobs other
                 WHERE other.dispatched_at > asked.at AND other.dispatched_at <= jobs.dispatched_at) AS position,
                extract(epoch FROM jobs.finished_at - asked.at)::float8 AS seconds
         FROM (SELECT id, to_timestamp(at / 1000) AS at, n
               FROM unnest($1::text[], $2::float8[]) WITH ORDINALITY AS asked(id, at, n)) AS asked
         JOIN jobs ON jobs.id = asked.id ORDER BY n`,
        columns,
      );
      if (rows.every(({ seconds }) => seconds !== null) || Date.now() > giveUpAt)
        return rows.map(({ position, seconds }, index) => ({
          toldPosition: told[index]?.position ?? 0,
          position,
          toldSeconds: told[index]?.etaSeconds ?? 0,
          seconds: seconds ?? Number.POSITIVE_INFINITY,
        }));
      await delay(lookEveryMs);
    }
  });
}

/** A place in the first few of a line is a matter of moments. */
const smallPosition = 20;

/** Prints a run, plots it where that was asked for, and returns its line of JSON. */
export async function tellCalibration(calibration: Calibration, say: (line: string) => void): Promise<object> {
  const { options, ended, untold, seconds } = calibration;
  const { jobs, users, slots, videoSeconds, temporal } = options;
  const inTime = shareOf(ended, (one) => one.seconds <= one.toldSeconds);
  const ratios = percentilesOf(ended.map((one) => one.seconds / one.toldSeconds));
  const placed = ended.filter(({ position }) => position > smallPosition);
  const errors = percentilesOf(placed.map(positionError));
  const within = shareOf(placed, (one) => positionError(one) <= 0.05);
  say(
    `calibration: ${jobs} jobs of ${users} users, ${slots} slots, videos of ${videoSeconds} s, ${temporal}; ${rounded(seconds)} s`,
  );
  say(
    table([
      ['asked', 'untold', 'done by their p80', 'took ÷ told p50', 'p90', 'max'],
      [ended.length, untold, inTime.toFixed(2), ratios.p50, ratios.p90, ratios.max],
    ]),
  );
  say('');
  say(
    table([
      [`beyond the ${smallPosition}th`, 'place wrong by p50', 'p90', 'max', 'within 5 %'],
      [placed.length, percent(errors.p50), percent(errors.p90), percent(errors.max), percent(within)],
    ]),
  );
  if (options.plot) say(`  ${await plot(calibration)}`);
  return {
    bench: 'calibration',
    figure: Number(inTime.toFixed(3)),
    unit: 'of the jobs done by their p80',
    asked: ended.length,
    untold,
    took_over_told_p50: rounded(ratios.p50),
    position_error_p50: Number(errors.p50.toFixed(3)),
    position_error_p90: Number(errors.p90.toFixed(3)),
    position_within_5_percent: Number(within.toFixed(3)),
    temporal,
  };
}

function positionError({ toldPosition, position }: Ended): number {
  return Math.abs(toldPosition - position) / Math.max(1, position);
}

function shareOf<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  return items.filter(holds).length / Math.max(1, items.length);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const buckets = [0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, Number.POSITIVE_INFINITY];

async function plot({ options, ended }: Calibration): Promise<string> {
  const bars = buckets.slice(1).map((to, index) => {
    const from = buckets[index] ?? 0;
    const name = Number.isFinite(to) ? `≤ ${to}` : '> 1.25';
    const ratioOf = (one: Ended): number => one.seconds / one.toldSeconds;
    return { name, value: 100 * shareOf(ended, (one) => ratioOf(one) > from && ratioOf(one) <= to) };
  });
  const svg = barChart({
    title: 'What jobs took, as a share of the ETA that was told',
    subtitle: `${ended.length} answers; ETA is the 80th percentile, so four fifths belong at or below 1. ${options.slots} slots`,
    y: '% of the answers',
    bars,
  });
  return await writePlot('calibration', svg);
}
