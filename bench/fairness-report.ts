import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { percentilesOf } from './histogram.ts';
import { barChart, writePlot } from './plot.ts';
import { rounded, type Row, table } from './table.ts';
import { withClient } from './transactions.ts';

export interface FairnessOptions {
  readonly temporal: TemporalServerKind;
  readonly slots: number;
  readonly videoSeconds: number;
  /** Jobs of A that wait when B's first one comes. */
  readonly deep: number;
  /** Into how many users A's jobs are divided. */
  readonly users: number;
  /** B's jobs, one after the other: half of another tenant, half of another user of A's. */
  readonly singles: number;
  readonly plot: boolean;
}

export interface Fairness {
  readonly options: FairnessOptions;
  readonly waits: readonly Wait[];
  /** Jobs of A that were begun in the meantime. */
  readonly videoMs: number;
  readonly backlogLeft: number;
  readonly use: number;
}

/** What one of B's jobs went through. */
export interface Wait {
  readonly kind: 'other tenant' | 'other user';
  /** From acceptance to the POST at the vendor, by the database's clock. Infinite: it was never made. */
  readonly ms: number;
  /** How many jobs of others were submitted in between. */
  readonly overtakenBy: number;
}

export interface Singles {
  readonly kinds: ReadonlyMap<string, Wait['kind']>;
  readonly withinMs: number;
}

const lookEveryMs = 250;

/** Waits until all of them are submitted, or have waited too long for that. */
export async function readWaits(url: string, { kinds, withinMs }: Singles): Promise<readonly Wait[]> {
  const giveUpAt = Date.now() + withinMs;
  const ids = [...kinds.keys()];
  return await withClient(url, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ id: string; ms: number; overtakenBy: number }>(
        `SELECT jobs.id, extract(epoch FROM own.submitted_at - jobs.accepted_at)::float8 * 1000 AS ms,
                (SELECT count(*)::int FROM attempts other
                 WHERE other.submitted_at > jobs.accepted_at AND other.submitted_at < own.submitted_at) AS "overtakenBy"
         FROM jobs JOIN attempts own ON own.job = jobs.id AND own.attempt = 1 WHERE jobs.id = ANY($1::text[])`,
        [ids],
      );
      if (rows.length < ids.length && Date.now() < giveUpAt) {
        await delay(lookEveryMs);
        continue;
      }
      const found = new Map(rows.map((row) => [row.id, row]));
      return [...kinds].map(([id, kind]) => {
        const { ms = Number.POSITIVE_INFINITY, overtakenBy = Number.POSITIVE_INFINITY } = found.get(id) ?? {};
        return { kind, ms, overtakenBy };
      });
    }
  });
}

const aim = 2;

/** Prints a run, plots it where that was asked for, and returns its line of JSON. */
export async function tellFairness(fairness: Fairness, say: (line: string) => void): Promise<object> {
  const { options, waits, videoMs, backlogLeft, use } = fairness;
  const { slots, deep, users, videoSeconds, temporal } = options;
  const turnovers = waits.map(({ ms }) => ms / videoMs);
  const { p50, max } = percentilesOf(turnovers);
  say(
    `fairness: A has ${deep} jobs in line, of ${users} users; ${slots} slots, videos of ${videoSeconds} s, ${temporal}`,
  );
  say('  a turnover is the mean time of a video: so long until every slot of the pool has been free once\n');
  say(
    table([
      ['a single job of', 'jobs', 'p50 ms', 'p99 ms', 'max ms', 'turnovers p50', 'max', 'overtaken by, max'],
      ...(['other tenant', 'other user'] as const).map((kind) => rowOf(kind, fairness)),
    ]),
  );
  say(`\n  ${backlogLeft} of A's jobs waited on at the end; ${(use * 100).toFixed(1)} % of the slots were in use`);
  if (options.plot) say(`  ${await plot(fairness)}`);
  return {
    bench: 'fairness',
    figure: rounded(max),
    unit: 'slot turnovers',
    p50: rounded(p50),
    never: waits.filter(({ ms }) => ms === Number.POSITIVE_INFINITY).length,
    overtaken_max: Math.max(...waits.map(({ overtakenBy }) => overtakenBy)),
    deep,
    users,
    slots,
    video_ms: rounded(videoMs),
    temporal,
  };
}

function rowOf(kind: Wait['kind'], { waits, videoMs }: Fairness): Row {
  const own = waits.filter((wait) => wait.kind === kind);
  const { p50, p99, max } = percentilesOf(own.map(({ ms }) => ms));
  const overtaken = Math.max(...own.map(({ overtakenBy }) => overtakenBy));
  return [kind, own.length, p50, p99, max, p50 / videoMs, max / videoMs, overtaken];
}

async function plot({ options, waits, videoMs }: Fairness): Promise<string> {
  const { deep, users, slots, videoSeconds } = options;
  const bars = (['other tenant', 'other user'] as const).flatMap((kind) => {
    const { p50, p90, max } = percentilesOf(waits.filter((wait) => wait.kind === kind).map(({ ms }) => ms / videoMs));
    return [
      { name: `${kind}, p50`, value: p50 },
      { name: 'p90', value: p90 },
      { name: 'max', value: max },
    ];
  });
  const svg = barChart({
    title: `The wait of a single job beside ${deep.toLocaleString('en-US')} of somebody else`,
    subtitle: `${users} users of A, ${slots} slots, videos of ${videoSeconds} s`,
    y: 'slot turnovers from acceptance to submit',
    bars,
    marks: [{ name: `aim ${aim}`, value: aim }],
  });
  return await writePlot('fairness', svg);
}
