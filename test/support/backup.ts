import { execFile } from 'node:child_process';
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { until } from './until.ts';

const run = promisify(execFile);

export interface Backup {
  /** Puts it in the place of the data of a server that has been stopped or killed. */
  restore(): Promise<void>;
}

/** A base backup of a server that goes on working, as `pg_basebackup` takes one, which the embedded package does not have. */
export async function takeBackup({ url, data, to }: { url: string; data: string; to: string }): Promise<Backup> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`SELECT pg_backup_start('a test', true)`);
    await copyWhole(data, to);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    // The log up to the stop, which is as far as the restored server will come.
    await run('cp', ['-a', `${join(data, 'pg_wal')}/.`, join(to, 'pg_wal')]);
    await rm(join(to, 'postmaster.pid'), { force: true });
    await writeLike(data, join(to, 'backup_label'), rows[0]?.labelfile ?? '');
  } finally {
    await client.end();
  }
  return {
    async restore() {
      await rm(data, { recursive: true });
      await run('cp', ['-a', to, data]);
    },
  };
}

/** A file that goes while it is being copied is none that a backup needs; the copy is begun anew all the same. */
async function copyWhole(from: string, to: string): Promise<void> {
  await until('a whole copy', async () => {
    await rm(to, { recursive: true, force: true });
    await run('cp', ['-a', from, to]);
    return true;
  });
}

/** Postgres runs as another user where the test runs as root, and reads nothing of ours. */
export async function writeLike(example: string, path: string, text: string): Promise<void> {
  const { uid, gid } = await stat(example);
  await writeFile(path, text, { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(path, uid, gid);
}
