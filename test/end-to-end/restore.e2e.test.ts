import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type RunningPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { takeBackup } from '../support/backup.ts';
import { findFreePorts } from '../support/processes.ts';
import { makeTestDirectory, killNow } from '../support/servers.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let directory: string;
let postgres: RunningPostgres;

const startPostgres = async (): Promise<RunningPostgres> =>
  await startEmbeddedPostgres({ directory: join(directory, 'postgres'), log: () => undefined });

afterAll(async () => {
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

const slots = 6;

const stack = useStack(async () => {
  directory = await makeTestDirectory();
  const ports = await findFreePorts(['postgres']);
  await mkdir(join(directory, 'postgres'));
  await writeFile(join(directory, 'postgres', 'postgres.ports.json'), JSON.stringify({ postgres: ports.postgres }));
  postgres = await startPostgres();
  process.once('exit', () => killNow(postgres.pid));
  return {
    databaseUrl: postgres.url,
    providers: ['wavespeed'],
    limits: { outstanding: slots, perMinute: 5_000 },
    // What hangs is ended by the test, and nobody gives it up before.
    env: { SIMULATOR_TIME_SCALE: '0.2' },
  };
});

const accept = async (prompt: string): Promise<string> =>
  (await stack.accept({ prompt, fallback: 'none', seconds: 5 })).id;
const acceptAll = async (prompts: readonly string[]): Promise<readonly string[]> => {
  const ids: string[] = [];
  // One after the other, so that they stand in line in this order.
  for (const prompt of prompts) ids.push(await accept(prompt));
  return ids;
};

/** What the vendor has for a job. */
const predictionOf = async (job: string): Promise<string | undefined> =>
  (await stack.vendor.predictions()).find(({ correlation }) => correlation?.startsWith(`${job}.`))?.id;

const atVendor = async (job: string): Promise<string> =>
  await until(`the vendor has ${job}`, () => predictionOf(job), { everyMs: 100 });

async function finish(jobs: readonly string[]): Promise<void> {
  for (const job of jobs) await stack.vendor.finish(await atVendor(job));
}

const submitsOf = async (job: string): Promise<number> =>
  (await stack.vendor.submits())
    .filter(({ correlation }) => correlation?.startsWith(`${job}.`))
    .reduce((sum, { submits }) => sum + submits, 0);

test('Postgres is restored to before live workflows: nothing that was sent is sent again, and what is nobody’s any more is listed', async () => {
  const done = await acceptAll(['done before the backup']);
  await stack.untilAllFinal(done);
  const running = await acceptAll(
    Array.from({ length: slots }, (_, index) => `[sim:stuck] running at the backup ${index}`),
  );
  for (const job of running) await atVendor(job);
  const [ends = '', begins = '', hangs = '', kept = ''] = await acceptAll([
    'waits at the backup, completes afterwards',
    '[sim:stuck] waits at the backup, runs at the crash',
    '[sim:submit-slow=20000] waits at the backup, is being sent at the crash',
    '[sim:stuck] waits at the backup, still waits at the crash',
  ]);
  await until('the backup has what it is to have', async () => {
    const { rows } = await stack.pool.query('SELECT 1 FROM attempts WHERE operation IS NOT NULL AND ended_at IS NULL');
    return rows.length === slots;
  });

  const data = join(directory, 'postgres', 'data');
  const backup = await takeBackup({ url: postgres.url, data, to: join(directory, 'backup') });

  // The minutes that are lost: jobs end and begin, and new ones are accepted.
  const [endedSince, stillRunning] = [running.slice(0, 4), running.slice(4)];
  await finish(endedSince.slice(0, 2));
  await stack.untilAllFinal([...endedSince.slice(0, 2), ends], { withinMs: 60_000 });
  await finish([endedSince[2] ?? '']);
  await atVendor(begins);
  await until('the POST is under way', async () => (await submitsOf(hangs)) === 1);
  const lost = await stack.accept({
    prompt: '[sim:stuck] accepted after the backup',
    fallback: 'none',
    priority: 'high',
  });
  await finish([endedSince[3] ?? '']);
  const orphan = await atVendor(lost.id);
  await until('its workflow knows', async () => {
    const { rows } = await stack.pool.query('SELECT 1 FROM attempts WHERE job = $1 AND operation IS NOT NULL', [
      lost.id,
    ]);
    return rows.length === 1;
  });
  await stack.untilAllFinal(endedSince, { withinMs: 60_000 });

  // Beside processes that work nothing is mended.
  const beside = await stack.ops('after-restore', '--dry-run');
  expect(beside).toMatchObject({ code: 1, output: expect.stringContaining('Stop every one of both first') });
  await Promise.all([stack.end('worker', 'SIGKILL'), stack.end('api', 'SIGKILL')]);
  killNow(postgres.pid);
  await postgres.stop();
  await backup.restore();
  postgres = await startPostgres();
  stack.lose(lost.id);
  const { rows: asOfBackup } = await stack.pool.query('SELECT 1 FROM attempts WHERE job = $1', [begins]);
  expect(asOfBackup).toEqual([]);

  // A worker that would grant on top of that does not start, and says what to do.
  await expect(stack.start('worker')).rejects.toThrow('spillway ops after-restore');
  const dry = await stack.ops('after-restore', '--dry-run');
  expect(dry.output).toContain('Nothing was changed');
  expect(dry.output).toContain('1 jobs were accepted after the backup');

  // Nor does either start beside a mend, or after one that was killed.
  await stack.pool.query(`INSERT INTO watermarks (id, at) VALUES ('restoring', now())`);
  await expect(stack.start('api')).rejects.toThrow('not all in it yet');

  // No workflow is ended before somebody has said how many, and no job has failed because its video was looked for elsewhere.
  const mend = async (...words: readonly string[]) => await stack.ops('after-restore', '--reason', 'a test', ...words);
  expect(await mend()).toMatchObject({ code: 1, output: expect.stringContaining('--lost 1') });
  expect(await mend('--lost', '2')).toMatchObject({ code: 1, output: expect.stringContaining('Nothing was changed') });
  const statusOfLost = async (): Promise<string> =>
    (await stack.temporal.workflow.getHandle(lost.id).describe()).status.name;
  expect(await statusOfLost()).toBe('RUNNING');
  const mended = await mend('--lost', '1');
  expect(mended).toMatchObject({ code: 0, output: expect.stringContaining('Workers may start') });
  expect(mended.output).toContain(lost.id);
  expect((await mend()).output).toContain('0 attempts that were sent are in the ledger again');

  await Promise.all([stack.start('api'), stack.start('worker')]);
  await finish([...stillRunning, begins, kept]);
  const jobs = [...done, ...running, ends, begins, hangs, kept];
  const videos = await stack.untilAllFinal(jobs, { withinMs: 90_000 });
  expect(videos.map(({ id, status, attempts }) => ({ id, status, attempts }))).toEqual(
    jobs.map((id) => ({ id, status: 'completed', attempts: 1 })),
  );
  for (const job of jobs) expect(`${job} ${await submitsOf(job)}`).toBe(`${job} 1`);

  // What was accepted since is gone, and what the vendor has of it is known by its name.
  expect((await fetch(`${stack.url}/v1/videos/${lost.id}`)).status).toBe(404);
  expect(await statusOfLost()).toBe('TERMINATED');
  await stack.vendor.finish(orphan);
  const listed = await until('its callback is noted', async () => {
    const { output } = await stack.ops('orphans', 'list');
    return output.includes('finished') ? output : undefined;
  });
  expect(listed).toContain(orphan);
  expect(await submitsOf(lost.id)).toBe(1);
}, 480_000);
