import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { startOf } from './processes.ts';

const ownerSchema = z.object({ pid: z.number(), start: z.string() });

export class DirectoryInUseError extends Error {
  override name = 'DirectoryInUseError';
}

const claimsMax = 5;

/**
 * Makes this process the only one that runs a server on the directory. A server whose owner was killed may be stopped
 * and replaced; one whose owner lives must not be, or a second `npm start` would pull the first one's database away.
 */
export async function claimDirectory(directory: string, server: 'postgres' | 'temporal'): Promise<() => Promise<void>> {
  const file = join(directory, `${server}.owner.json`);
  const claim = join(directory, `${server}.owner.${process.pid}.json`);
  await writeFile(claim, JSON.stringify({ pid: process.pid, start: await startOf(process.pid) }));
  try {
    for (let tries = 0; tries < claimsMax; tries += 1) {
      if (await linked(claim, file)) return async () => await rm(file, { force: true });
      await refuseLiveOwner(file, directory);
      await rm(file, { force: true });
    }
    throw new DirectoryInUseError(`Several processes are starting on ${directory} at once.`);
  } finally {
    await rm(claim, { force: true });
  }
}

async function linked(claim: string, file: string): Promise<boolean> {
  try {
    // A link appears at once and whole, and fails where another stands: two processes can't both succeed.
    await link(claim, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function refuseLiveOwner(file: string, directory: string): Promise<void> {
  const owner = await readOwner(file);
  if (!owner || owner.pid === process.pid) return;
  if ((await startOf(owner.pid)) !== owner.start) return;
  throw new DirectoryInUseError(`Another Spillway (process ${owner.pid}) is running on ${directory}. Stop it first.`);
}

async function readOwner(file: string): Promise<z.infer<typeof ownerSchema> | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}
