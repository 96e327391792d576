import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, inject, test } from 'vitest';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { type RunningPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { type RunningDevServer, startDevServer } from '../../src/embedded/temporal.ts';
import { findFreePorts } from '../support/processes.ts';
import { makeTestDirectory, killNow } from '../support/servers.ts';
import { useStack, type Video, videoOf } from '../support/stack.ts';
import { until } from '../support/until.ts';

let directory: string;
let ports: Record<'postgres' | 'temporal' | 'ui', number>;
let postgres: RunningPostgres;
let temporal: RunningDevServer;

/** Where the processes look for it: another program may have taken the port while it was down. */
const startPostgres = async (): Promise<RunningPostgres> => {
  const running = await startEmbeddedPostgres({ directory: join(directory, 'postgres'), log: () => undefined });
  const { port } = new URL(running.url);
  if (port !== String(ports.postgres)) throw new Error(`Postgres came back on ${port}, not on ${ports.postgres}`);
  return running;
};

const startTemporal = async (): Promise<RunningDevServer> =>
  await startDevServer({
    cliPath: inject('temporalCliPath'),
    databaseFile: join(directory, 'temporal', 'temporal.db'),
    port: ports.temporal,
    uiPort: ports.ui,
    searchAttributes: searchAttributeTypes,
    log: () => undefined,
  });

afterAll(async () => {
  await Promise.all([postgres.stop(), temporal.stop()]);
  await rm(directory, { recursive: true, force: true });
});

const stack = useStack(async () => {
  directory = await makeTestDirectory();
  ports = await findFreePorts(['postgres', 'temporal', 'ui']);
  await mkdir(join(directory, 'postgres'));
  await writeFile(join(directory, 'postgres', 'postgres.ports.json'), JSON.stringify({ postgres: ports.postgres }));
  [postgres, temporal] = await Promise.all([startPostgres(), startTemporal()]);
  // Detached servers outlive a run that is cut short.
  process.once('exit', () => [postgres.pid, temporal.pid].forEach(killNow));
  return { databaseUrl: postgres.url, temporalAddress: temporal.address };
});

async function acceptSome(count: number, prompt: string): Promise<readonly string[]> {
  const accepted = Array.from({ length: count }, (_, index) => stack.accept({ prompt: `${prompt} ${index}` }));
  return (await Promise.all(accepted)).map(({ id }) => id);
}

async function expectAllCompleted(ids: readonly string[]): Promise<void> {
  const videos = await stack.untilAllFinal(ids, { withinMs: 80_000 });
  expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
}

/** The same key until somebody answers; every answer until then has to be a 503 that says when to come back. */
async function insist(prompt: string): Promise<Video> {
  return await until(
    `an answer to ${prompt}`,
    async () => {
      const response = await stack.post({ prompt }, { 'idempotency-key': prompt });
      if (response.status === 202) return await videoOf(response, 202);
      expect(response.status).toBe(503);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      return undefined;
    },
    { everyMs: 200 },
  );
}

test.each([
  ['in an orderly way', async () => await postgres.stop()],
  ['by kill -9', () => process.kill(postgres.pid, 'SIGKILL')],
])('Postgres ends %s and comes back: nothing that was accepted is lost', async (how, end) => {
  const before = await acceptSome(8, `before ${how}`);
  const slow = await acceptSome(4, `[sim:submit-slow=1500] before ${how}`);
  await until('the vendor works', async () => (await stack.vendor.counts()).outstanding > 0);
  await end();
  const insisting = Promise.all(
    Array.from({ length: 5 }, (_, index) => insist(`during-${how}-${index}`.replaceAll(' ', '-'))),
  );
  await until('the API says that it is down', async () => (await stack.post({ prompt: 'down' })).status === 503);
  postgres = await startPostgres();
  const during = (await insisting).map(({ id }) => id);
  for (const id of during) stack.follow(id);
  const after = await stack.accept({ prompt: `after ${how}` });
  await expectAllCompleted([...before, ...slow, ...during, after.id]);
  const kept = await stack.pool.query('SELECT 1 FROM idempotency_keys WHERE job = ANY($1::text[])', [during]);
  expect(kept.rowCount).toBe(during.length);
});

const outageMs = 20_000;

test('Temporal is down for 20 s: jobs are accepted all the time, and all are served afterwards', async () => {
  const before = await acceptSome(8, 'before Temporal ends');
  await until('the vendor works', async () => (await stack.vendor.counts()).outstanding > 0);
  process.kill(temporal.pid, 'SIGKILL');
  const endsAt = Date.now() + outageMs;
  const during: string[] = [];
  while (Date.now() < endsAt) {
    during.push((await stack.accept({ prompt: `without Temporal ${during.length}` })).id);
    // The pace of the clients.
    await delay(250);
  }
  expect(during.length).toBeGreaterThan(outageMs / 1_000);
  temporal = await startTemporal();
  await expectAllCompleted([...before, ...during]);
});
