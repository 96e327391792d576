import { execFile } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { type RunningPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { writeLike } from './backup.ts';
import { findFreePorts } from './processes.ts';
import { until } from './until.ts';

const run = promisify(execFile);

/** A primary, and a standby that has every commit before it is acknowledged. */
export interface Pair {
  readonly primary: RunningPostgres;
  readonly standby: RunningPostgres;
  /** Both hosts in one connection string. */
  readonly url: string;
  promote(): Promise<void>;
  stop(): Promise<void>;
}

const standbyName = 'second';

export async function startPair(directory: string): Promise<Pair> {
  const ports = await findFreePorts(['first', 'second']);
  const start = (name: 'first' | 'second'): Promise<RunningPostgres> =>
    startEmbeddedPostgres({ directory: join(directory, name), log: () => undefined });
  for (const name of ['first', 'second'] as const) {
    await mkdir(join(directory, name));
    await writeFile(join(directory, name, 'postgres.ports.json'), JSON.stringify({ postgres: ports[name] }));
  }
  const made = await start('first');
  await made.stop();
  const [data, copy] = [join(directory, 'first', 'data'), join(directory, 'second', 'data')];
  await run('cp', ['-a', data, copy]);
  await writeLike(data, join(copy, 'standby.signal'), '');
  const { username, password } = new URL(made.url);
  const upstream = `host=127.0.0.1 port=${ports.first} user=${username} password=${password} application_name=${standbyName}`;
  await appendFile(join(copy, 'postgresql.auto.conf'), `primary_conninfo = '${upstream}'\n`);
  const primary = await start('first');
  const standby = await start('second');
  await onServer(primary.url, `ALTER SYSTEM SET synchronous_standby_names = '${standbyName}'`);
  await onServer(primary.url, 'SELECT pg_reload_conf()');
  await until('the standby follows', async () => {
    const [row] = await onServer<{ sync_state: string }>(primary.url, 'SELECT sync_state FROM pg_stat_replication');
    return row?.sync_state === 'sync';
  });
  return {
    primary,
    standby,
    url: made.url.replace(/@[^/]*/, `@127.0.0.1:${ports.first},127.0.0.1:${ports.second}`),
    async promote() {
      await onServer(standby.url, 'ALTER SYSTEM RESET synchronous_standby_names').catch(() => undefined);
      await onServer(standby.url, 'SELECT pg_promote()');
    },
    async stop() {
      // The standby first: a primary that stops waits for its own.
      await standby.stop();
      await primary.stop();
    },
  };
}

export async function onServer<Row extends object>(url: string, statement: string): Promise<readonly Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}
