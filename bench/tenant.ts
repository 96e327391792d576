import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './root.ts';
import type { Stage } from './stage.ts';

/** Limits of every kind, which nobody reaches: what is measured is that they are kept. */
const limits = [
  ['--requests-per-minute', '1000000'],
  ['--queued-max', '1000000'],
  ['--queued-per-user-max', '1000000'],
  ['--outstanding-max', '1000000'],
  ['--day-budget-usd', '1000000'],
  ['--month-budget-usd', '1000000'],
].flat();

/** A tenant with a key in the database, limits and budgets, as an operator makes it. Returns the key. */
export async function createTenant({ databaseUrl, cataloguePath }: Stage): Promise<string> {
  const { PATH = '', HOME = '' } = process.env;
  const args = [join(root, 'dist/main/cli.js'), 'admin', 'tenant', 'create', 'bench', ...limits];
  const env = { PATH, HOME, DATABASE_URL: databaseUrl, CATALOGUE_PATH: cataloguePath };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: 60_000 });
  return stdout.trim();
}
