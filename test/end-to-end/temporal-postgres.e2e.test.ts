import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { startOf } from '../../src/embedded/processes.ts';
import { builtTemporalServer } from '../support/built-temporal-server.ts';
import { createPart, findFreePorts, type Part } from '../support/processes.ts';
import { cacheDirectory, makeTestDirectory } from '../support/servers.ts';
import { baseEnvironment, printTail, videoOf } from '../support/stack.ts';
import { until } from '../support/until.ts';

const programs = await builtTemporalServer();

describe.skipIf(programs === undefined)('`temporal:postgres`', () => {
  let directory: string;
  let data: string;
  let temporal: Part;

  beforeAll(async () => {
    directory = await makeTestDirectory();
    data = join(directory, 'data');
    await mkdir(data);
    // The programs are looked for in the data directory, and are not to be built for this one.
    await symlink(resolve(cacheDirectory), join(data, 'cache'));
    const env = { ...baseEnvironment(), DATA_DIRECTORY: data };
    const logFile = join(directory, 'temporal.log');
    temporal = createPart({ command: 'temporal:postgres', env, readyLine: 'Ctrl-C stops both', logFile });
  });
  afterAll(async () => {
    if (temporal.isRunning()) await temporal.end('SIGTERM', 30_000);
    await rm(directory, { recursive: true, force: true });
  });

  async function embeddedPids(): Promise<readonly number[]> {
    const files = [join(data, 'postgres/data/postmaster.pid'), join(data, 'temporal-postgres/temporal.pid')];
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    return texts.map((text) => Number(text.split('\n')[0]));
  }

  function told(name: string): string {
    return temporal.log().match(new RegExp(`export ${name}=(\\S+)(?![\\s\\S]*export ${name}=)`))?.[1] ?? '';
  }

  test('it stays up, ends both servers on Ctrl-C, and takes over what a kill has left', async () => {
    onTestFailed(() => printTail(temporal));
    await temporal.start();
    const address = told('TEMPORAL_ADDRESS');
    const left = await embeddedPids();
    expect(await temporal.end('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    for (const pid of left) expect(await startOf(pid)).not.toBe('');

    await temporal.start();
    for (const pid of left) expect(await startOf(pid)).toBe('');
    expect(told('TEMPORAL_ADDRESS')).toBe(address);
    const connection = await Connection.connect({ address });
    await connection.close();
    const pids = await embeddedPids();
    expect(await temporal.end('SIGINT', 30_000)).toEqual({ code: 0, signal: null });
    for (const pid of pids) expect(await startOf(pid)).toBe('');
  });

  test('migrate, API, worker and simulator run on what it tells, and a request goes from end to end', async () => {
    onTestFailed(() => printTail(temporal));
    await temporal.start();
    const ports = await findFreePorts(['api', 'ops', 'simulator']);
    const url = `http://127.0.0.1:${ports.api}`;
    const env = {
      ...baseEnvironment(),
      TEMPORAL_ADDRESS: told('TEMPORAL_ADDRESS'),
      DATABASE_URL: told('DATABASE_URL'),
      DATA_DIRECTORY: data,
      PORT: String(ports.api),
      PUBLIC_URL: url,
      SIMULATOR_PORT: String(ports.simulator),
      SIMULATOR_URL: `http://127.0.0.1:${ports.simulator}`,
      SIMULATOR_TIME_SCALE: '0.05',
    };
    const part = (
      command: 'simulator' | 'migrate' | 'api' | 'worker',
      settings: object = {},
      readyLine?: string,
    ): Part =>
      createPart({
        command,
        env: { ...env, ...settings },
        logFile: join(directory, `${command}.log`),
        ...(readyLine !== undefined && { readyLine }),
      });
    const parts = [
      part('simulator', {}, 'simulator is up'),
      part('api', { OPS_PORT: String(ports.ops) }, 'API is up'),
      part('worker', { OPS_PORT: '0' }, 'worker is up'),
    ];
    try {
      await part('migrate').start();
      for (const one of parts) await one.start();
      const body = JSON.stringify({ prompt: 'a paper boat', model: 'wan-2.6' });
      const headers = { 'content-type': 'application/json' };
      const { id } = await videoOf(await fetch(`${url}/v1/videos`, { method: 'POST', headers, body }), 202);
      const ended = await until('it has ended', async () => {
        const video = await videoOf(await fetch(`${url}/v1/videos/${id}`), 200);
        return ['completed', 'failed'].includes(video.status) ? video : undefined;
      });
      expect(ended).toMatchObject({ status: 'completed', attempts: 1 });
    } finally {
      for (const one of parts.toReversed()) if (one.isRunning()) await one.end('SIGTERM', 30_000);
      await temporal.end('SIGINT', 30_000);
    }
  });
});
