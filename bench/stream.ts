import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { cpuBetween, noiseWarning, readCpu } from './cpu.ts';
import { percentilesOf } from './histogram.ts';
import type { ReadersOpen } from './idle-readers.ts';
import { idsFileOf, offerLoad } from './load.ts';
import { forkProgram, messageOf } from './program.ts';
import { residentMegabytes } from './resident.ts';
import { root } from './root.ts';
import { openStage, type Stage, startSimulator, startSpillway } from './stage.ts';
import { rounded, table } from './table.ts';
import { readToldDelays } from './told-delays.ts';

export interface StreamOptions {
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Streams that are open while nothing happens to their jobs. */
  readonly streams: number;
  readonly temporal: TemporalServerKind;
}

/** From the end of a job to its being told, and what it costs to have many wait for one. */
export async function benchStream(options: StreamOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage({ temporal: options.temporal });
  try {
    const told = await measureTold(stage, options);
    say(`stream: ${options.ratePerSecond} jobs/s for ${options.seconds} s, one worker; end of the job to its reader\n`);
    say(table([['', 'told', 'p50', 'p90', 'p99', 'max'], rowOf('tenant', told.tenant), rowOf('job', told.job)]));
    say(noiseWarning([told.cpu]) ?? '');
    const idle = await measureIdle(stage, options.streams);
    const kilobytes = ((idle.afterMegabytes - idle.beforeMegabytes) * 1_024) / idle.open;
    say(
      `  ${idle.open} idle streams in one process: RSS ${idle.beforeMegabytes} MB before, ${idle.afterMegabytes} MB with them`,
    );
    say(
      `  ${rounded(kilobytes)} kB each; ${rounded(idle.cores)} cores to keep them told of their places; ${idle.refused} refused`,
    );
    const { p99 } = percentilesOf(told.job);
    return {
      bench: 'stream',
      figure: rounded(p99),
      unit: 'ms',
      streams: idle.open,
      kilobytesOfStream: rounded(kilobytes),
      refused: idle.refused,
    };
  } finally {
    await stage.stop();
  }
}

async function measureTold(stage: Stage, { ratePerSecond, seconds }: StreamOptions) {
  const programs = [
    await startSimulator(stage),
    await startSpillway(stage, 'api'),
    await startSpillway(stage, 'worker'),
  ];
  const origin = `http://127.0.0.1:${stage.ports.api}`;
  const delays = await readToldDelays({ origin, apiKey: stage.apiKey });
  const plan = { origin, apiKey: stage.apiKey, ratePerSecond, warmUpSeconds: 3, seconds, idsFile: idsFileOf(stage) };
  const { cpu, report } = await offerLoad(stage, { programs, plan });
  const samples = await delays.untilToldOf(report.accepted);
  for (const program of programs.toReversed()) await program.stop();
  return { ...samples, cpu };
}

/** All of jobs that wait: an API and Postgres, and nobody who works. */
async function measureIdle(stage: Stage, streams: number) {
  const api = await startSpillway(stage, 'api');
  const ratePerSecond = 500;
  const plan = {
    origin: `http://127.0.0.1:${stage.ports.api}`,
    apiKey: stage.apiKey,
    ratePerSecond,
    warmUpSeconds: 1,
    seconds: Math.ceil(streams / ratePerSecond),
    idsFile: idsFileOf(stage),
  };
  await offerLoad(stage, { programs: [api], plan });
  const ids = (await readFile(idsFileOf(stage), 'utf8')).split('\n').slice(0, streams);
  const idsFile = join(stage.directory, 'followed-ids');
  await writeFile(idsFile, ids.join('\n'));
  await delay(settleMs);
  const beforeMegabytes = await residentMegabytes(api.pid);
  const readers = forkProgram({ name: 'readers', script: join(root, 'bench/idle-readers.ts') });
  try {
    const opened = messageOf<ReadersOpen>(readers, 'open');
    readers.child.send({ port: stage.ports.api, apiKey: stage.apiKey, idsFile });
    const { streams: open, refused } = await opened;
    await delay(settleMs);
    const before = await readCpu([api]);
    await delay(settleMs);
    const use = cpuBetween(before, await readCpu([api]), 1);
    const cores = (use.msByName.get('api') ?? 0) / 1_000 / use.seconds;
    return { open, refused, cores, beforeMegabytes, afterMegabytes: await residentMegabytes(api.pid) };
  } finally {
    await readers.stop();
    await api.stop();
  }
}

/** For what was only needed on the way to be collected. */
const settleMs = 15_000;

function rowOf(name: string, delaysMs: readonly number[]) {
  const { p50, p90, p99, max } = percentilesOf(delaysMs);
  return [name, delaysMs.length, p50, p90, p99, max] as const;
}
