import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const project = join(import.meta.dirname, '../..');

/** What starts the program, compiled as the image has it: through tsx each process takes four seconds of a processor to load. */
export const programArgs: readonly string[] = ['dist/main/cli.js'];

const stamp = join(project, 'dist/.sources');
const compileMsMax = 120_000;

/** Compiles the sources, unless what lies there was made of these very ones. */
export async function compile(): Promise<void> {
  const sources = await hashOfSources();
  if ((await readFile(stamp, 'utf8').catch(() => '')) === sources) return;
  await rm(join(project, 'dist'), { recursive: true, force: true });
  await promisify(execFile)('npx', ['tsc', '-p', 'tsconfig.build.json'], { cwd: project, timeout: compileMsMax });
  await writeFile(stamp, sources);
}

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256');
  const sources = (await readdir(join(project, 'src'), { recursive: true })).filter((file) => file.endsWith('.ts'));
  const files = [
    ...sources.map((file) => join('src', file)),
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ];
  for (const file of files.toSorted((one, other) => (one < other ? -1 : 1)))
    hash.update(file).update(await readFile(join(project, file)));
  return hash.digest('hex');
}
