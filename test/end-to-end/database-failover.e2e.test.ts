import { rm } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { makeTestDirectory, killNow } from '../support/servers.ts';
import { useStack, type Video, videoOf } from '../support/stack.ts';
import { onServer, type Pair, startPair } from '../support/standby.ts';
import { until } from '../support/until.ts';

let directory: string;
let pair: Pair;

afterAll(async () => {
  await pair.stop();
  await rm(directory, { recursive: true, force: true });
});

const stack = useStack(async () => {
  directory = await makeTestDirectory();
  pair = await startPair(directory);
  process.once('exit', () => [pair.primary.pid, pair.standby.pid].forEach(killNow));
  return { databaseUrl: pair.url };
});

const pids = async (url: string): Promise<readonly string[]> =>
  (
    await onServer<{ name: string }>(
      url,
      `SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'spillway-%' ORDER BY 1`,
    )
  ).map(({ name }) => name);

/** The same key until somebody answers: whoever was not answered asks again. */
async function insist(prompt: string): Promise<Video> {
  return await until(
    `an answer to ${prompt}`,
    async () => {
      const response = await stack.post({ prompt }, { 'idempotency-key': prompt.replaceAll(' ', '-') });
      if (response.status === 202) return await videoOf(response, 202);
      // Never a fault of ours, and never anything written on a server that only follows.
      expect(response.status).toBe(503);
      return undefined;
    },
    { withinMs: 60_000, everyMs: 200 },
  );
}

test('the primary is killed and its standby promoted: nothing that was acknowledged is lost, and nobody is restarted', async () => {
  const before = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => (await stack.accept({ prompt: `before the failover ${index}` })).id),
  );
  const slow = await Promise.all(
    Array.from(
      { length: 4 },
      async (_, index) => (await stack.accept({ prompt: `[sim:submit-slow=1500] ${index}` })).id,
    ),
  );
  await until('the vendor works', async () => (await stack.vendor.counts()).outstanding > 0);

  process.kill(pair.primary.pid, 'SIGKILL');
  const insisting = Promise.all(Array.from({ length: 5 }, (_, index) => insist(`during the failover ${index}`)));
  await until('the API says that it is down', async () => (await stack.post({ prompt: 'down' })).status === 503);
  await pair.promote();

  const during = (await insisting).map(({ id }) => id);
  for (const id of during) stack.follow(id);
  const after = await stack.accept({ prompt: 'after the failover' });
  const videos = await stack.untilAllFinal([...before, ...slow, ...during, after.id], { withinMs: 90_000 });
  expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
  // Listeners too: the wake-ups of both processes are heard at the new primary.
  await until('everybody is there', async () => {
    const names = await pids(pair.standby.url);
    return ['spillway-api', 'spillway-wake-ups', 'spillway-worker'].every((name) => names.includes(name));
  });
}, 360_000);
