import { createHash } from 'node:crypto';
import { chmod, chown, lchown, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Log } from './log.ts';
import { runCommand, type Account } from './processes.ts';

export class PostgresAccountError extends Error {
  override name = 'PostgresAccountError';
}

const commandTimeoutMs = 30_000;

/**
 * Postgres refuses to run as root, so root runs it as somebody else: the owner of the data where there is data, else
 * the account `postgres`, made where it is lacking, else `nobody`, whom every system has.
 */
export async function findPostgresAccount(dataDirectory: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(dataDirectory).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const account = (await lookUp('postgres')) ?? (await createAccount()) ?? (await lookUp('nobody'));
  if (account) return account;
  throw new PostgresAccountError(
    'Postgres does not run as root, and there is neither an account `postgres` or `nobody` nor a `useradd` to make ' +
      'one. Run Spillway as another user, or set DATABASE_URL to a Postgres of your own.',
  );
}

/**
 * A directory that the account can reach. A project below a private one, such as root's home, is out of its reach:
 * then the data lives in a system directory that belongs to the project by the hash of its path.
 */
export async function reachableDirectory(
  directory: string,
  { account, log }: { readonly account: Account | undefined; readonly log: Log },
): Promise<string> {
  const wanted = await makeDirectory(directory, account);
  if (await canReach(wanted, account)) return wanted;
  const name = `spillway-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`;
  for (const parent of ['/var/lib', tmpdir()]) {
    const other = await makeDirectory(join(parent, name), account).catch(() => undefined);
    if (other === undefined || !(await canReach(other, account))) continue;
    // In a directory open to all, somebody else may have put it there first.
    if ((await stat(other)).uid !== 0) continue;
    log('The account that runs Postgres cannot reach the project, its data is elsewhere', { wanted, directory: other });
    return other;
  }
  throw new PostgresAccountError(`No directory for Postgres that its account can reach, instead of ${wanted}`);
}

async function makeDirectory(path: string, account: Account | undefined): Promise<string> {
  await mkdir(path, { recursive: true });
  const { uid, mode } = await stat(path);
  // Whatever our umask, the account must be able to enter.
  if (account && uid === 0) await chmod(path, mode | 0o111);
  return await realpath(path);
}

/** Whether the account may enter a directory, or execute a file, and every directory above it. */
export async function canReach(path: string, account: Account | undefined): Promise<boolean> {
  if (!account) return true;
  const { mode, uid, gid } = await stat(path);
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
  if (((mode >> shift) & 1) === 0) return false;
  return path === dirname(path) || (await canReach(dirname(path), account));
}

/** Gives a directory and all in it to the account. */
export async function giveTo(account: Account | undefined, directory: string): Promise<void> {
  if (!account) return;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true }))
    await lchown(join(entry.parentPath, entry.name), account.uid, account.gid);
  await chown(directory, account.uid, account.gid);
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const uid = Number(await runCommand({ command: 'id', args: ['-u', name], timeoutMs: commandTimeoutMs }));
    const gid = Number(await runCommand({ command: 'id', args: ['-g', name], timeoutMs: commandTimeoutMs }));
    return uid > 0 && gid > 0 ? { uid, gid } : undefined;
  } catch {
    return undefined;
  }
}

async function createAccount(): Promise<Account | undefined> {
  const args = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'];
  await runCommand({ command: 'useradd', args, timeoutMs: commandTimeoutMs }).catch(() => undefined);
  return await lookUp('postgres');
}
