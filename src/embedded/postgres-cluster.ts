import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from './log.ts';
import { giveTo, PostgresAccountError } from './postgres-account.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { runCommand, type Account } from './processes.ts';

export const userName = 'spillway';
export const databaseName = 'spillway';

interface NewCluster {
  readonly directory: string;
  readonly data: string;
  readonly account: Account | undefined;
  readonly binaries: PostgresBinaries;
  readonly relaxed?: boolean;
  readonly log: Log;
}

const initTimeoutMs = 120_000;
const passwordFile = 'spillway.password';

/** Makes the data where there is none. It appears under its name only when whole, so a kill leaves nothing half. */
export async function createCluster(cluster: NewCluster): Promise<void> {
  const { directory, data, account, log } = cluster;
  if (await exists(data)) return await adopt(cluster);
  log('Creating a Postgres database', { directory });
  const incoming = await mkdtemp(join(directory, '.incoming-'));
  try {
    if (account) await chown(incoming, account.uid, account.gid);
    const fresh = join(incoming, 'data');
    await initialise(cluster, { incoming, fresh });
    await createDatabase(cluster, fresh);
    await rename(fresh, data);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/** What a start that was killed left. Only whoever has claimed the directory may call this. */
export async function removeIncoming(directory: string): Promise<void> {
  const left = (await readdir(directory)).filter((name) => name.startsWith('.incoming-'));
  await Promise.all(left.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}

/** Loopback is open to every user of the machine, and a superuser runs programs: hence a password, in the data. */
export async function readPassword(data: string): Promise<string> {
  return (await readFile(join(data, passwordFile), 'utf8')).trim();
}

async function exists(data: string): Promise<boolean> {
  const found = await stat(data).catch(() => undefined);
  const ours = process.getuid?.() ?? found?.uid;
  if (found && ours !== 0 && found.uid !== ours)
    throw new PostgresAccountError(`The data in ${data} belongs to another user, who must run it or remove it.`);
  return found !== undefined;
}

/** Data that came with a copy made by root, or from an account since replaced. */
async function adopt({ data, account }: NewCluster): Promise<void> {
  if (account && (await stat(data)).uid !== account.uid) await giveTo(account, data);
}

async function initialise(cluster: NewCluster, { incoming, fresh }: { incoming: string; fresh: string }) {
  const { account, binaries, relaxed } = cluster;
  const password = join(incoming, passwordFile);
  await writeFile(password, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  if (account) await chown(password, account.uid, account.gid);
  const access = [`--username=${userName}`, `--pwfile=${password}`, '--auth=scram-sha-256'];
  const args = [`--pgdata=${fresh}`, '--locale=C', '--encoding=UTF8', ...access, ...(relaxed ? ['--no-sync'] : [])];
  await runCommand({ command: binaries.initdb, args, account, directory: incoming, timeoutMs: initTimeoutMs });
  await rename(password, join(fresh, passwordFile));
}

/** In single-user mode, because `createdb` is not in the package and a server would have to be started first. */
async function createDatabase({ account, binaries }: NewCluster, fresh: string): Promise<void> {
  const args = ['--single', '-D', fresh, '-c', 'exit_on_error=true', 'postgres'];
  const input = `CREATE DATABASE ${databaseName};\n`;
  await runCommand({ command: binaries.postgres, args, account, directory: fresh, input, timeoutMs: initTimeoutMs });
}
