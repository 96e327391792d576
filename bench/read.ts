import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool } from '../src/db/pool.ts';
import { grantPass } from '../src/dispatch/grant-pass.ts';
import { noiseWarning } from './cpu.ts';
import { percentilesOf } from './histogram.ts';
import { countLost, idsFileOf, offerLoad } from './load.ts';
import type { LoadPlan, LoadReport } from './load-generator.ts';
import { openStage, type Stage, startSpillway } from './stage.ts';
import { cpuTable, rounded, table } from './table.ts';
import { withClient } from './transactions.ts';

export interface ReadOptions {
  readonly readsPerSecond: number;
  readonly postsPerSecond: number;
  readonly seconds: number;
}

const warmUpSeconds = 3;
/** Videos that are read in turn. */
const videos = 3_000;
const seedingRate = 500;

/** `GET /v1/videos/{id}` beside `POST /v1/videos`: an API, Postgres and a dispatcher with a full account; two open loops. */
export async function benchRead(options: ReadOptions, say: (line: string) => void): Promise<object> {
  const stage = await openStage({ temporal: false });
  let line: Line | undefined;
  try {
    const api = await startSpillway(stage, 'api');
    line = keepLine(stage);
    const programs = [api];
    const { postsPerSecond, readsPerSecond, seconds } = options;
    await offerLoad(stage, {
      programs,
      plan: { ...planOf(stage), ratePerSecond: seedingRate, seconds: videos / seedingRate },
    });
    const readIdsFile = await spread(stage);
    const posting = { ...planOf(stage), ratePerSecond: postsPerSecond, seconds };
    const reading = { ...planOf(stage), ratePerSecond: readsPerSecond, seconds, readIdsFile };
    const [posts, reads] = await Promise.all([
      offerLoad(stage, { programs, plan: posting }),
      offerLoad(stage, { programs: [], plan: { ...reading, idsFile: `${readIdsFile}-none` } }),
    ]);
    await api.stop();
    const { lost } = await countLost(stage);
    say(
      `read: ${readsPerSecond} GET/s of waiting, running and ended videos beside ${postsPerSecond} POST/s, ${seconds} s`,
    );
    say('  latency from the scheduled moment of each request to the end of its answer, 3 s of warm-up left out\n');
    say(table([['', 'p50', 'p90', 'p99', 'p99.9', 'max'], rowOf('GET', reads.report), rowOf('POST', posts.report)]));
    const errors = [posts, reads].flatMap(({ report }) => Object.entries(report.errors));
    if (errors.length > 0) say(`  errors: ${JSON.stringify(errors)}`);
    say('');
    say(cpuTable(posts.cpu));
    say(noiseWarning([posts.cpu]) ?? '');
    const { p99 } = percentilesOf(reads.report.latenciesMs);
    return { bench: 'read', figure: rounded(p99), unit: 'ms', errors: errors.length, lost };
  } finally {
    await line?.close();
    await stage.stop();
  }
}

interface Line {
  close(): Promise<void>;
}

const passEveryMs = 250;

/** What a worker does whose account is full: takes into the line who arrives, so that there are places to tell. */
function keepLine(stage: Stage): Line {
  const onError = (): undefined => undefined;
  const pool = createPool({ url: stage.databaseUrl, connectionsMax: 1, name: 'bench-line', onError });
  const stop = new AbortController();
  const passes = (async () => {
    while (!stop.signal.aborted) {
      await grantPass({ pool, submittingMax: 1, startSlots: () => 0 });
      await sleep(passEveryMs);
    }
  })();
  return {
    async close() {
      stop.abort();
      await passes;
      await pool.end();
    },
  };
}

function planOf(stage: Stage): Omit<LoadPlan, 'ratePerSecond' | 'seconds'> {
  return {
    origin: `http://127.0.0.1:${stage.ports.api}`,
    apiKey: stage.apiKey,
    warmUpSeconds,
    idsFile: idsFileOf(stage),
  };
}

function rowOf(name: string, { latenciesMs }: LoadReport) {
  const { p50, p90, p99, p999, max } = percentilesOf(latenciesMs);
  return [name, p50, p90, p99, p999, max] as const;
}

/** A third each waits, is under way and has ended: to read the first kind, with its place in line, costs the most. */
async function spread(stage: Stage): Promise<string> {
  const ids = (await readFile(idsFileOf(stage), 'utf8')).split('\n').slice(0, videos);
  const running = ids.filter((_, index) => index % 3 === 1);
  const ended = ids.filter((_, index) => index % 3 === 2);
  await withClient(stage.databaseUrl, async (client) => {
    await client.query('DELETE FROM tickets WHERE job = ANY($1::text[])', [running]);
    await client.query(`UPDATE jobs SET phase = 'in_progress', started_at = now() WHERE id = ANY($1::text[])`, [
      running,
    ]);
    await client.query(`SELECT settle_job(id, 'cancelled', NULL, NULL) FROM unnest($1::text[]) AS id`, [ended]);
  });
  const file = join(stage.directory, 'read-ids');
  await writeFile(file, ids.join('\n'));
  return file;
}
