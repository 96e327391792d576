import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startOf } from '../../src/embedded/processes.ts';
import { findTemporalServer, provideTemporalServer } from '../../src/embedded/temporal-server-programs.ts';
import { until } from '../support/until.ts';

let root: string;
let cacheDirectory: string;
let told: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'spillway-programs-'));
  cacheDirectory = join(root, 'cache');
  told = [];
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

async function makeProgram(path: string, script: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

/** A `go` that does what it is told here instead of compiling. */
async function withGo(script: string, signal?: AbortSignal) {
  await makeProgram(join(root, 'bin/go'), script);
  return {
    cacheDirectory,
    searchPath: join(root, 'bin'),
    ...(signal && { signal }),
    log: (message: string) => void told.push(message),
  };
}

/** Writes down what it was called with, then leaves two programs where the real one would. */
const goodBuild = (root: string) => `
  echo "$@ cgo=$CGO_ENABLED" >> ${root}/calls
  for name in server sql; do printf '#!/bin/sh\\n' > "$GOBIN/$name"; chmod +x "$GOBIN/$name"; done`;

test('both programs are built from the pinned source, once', async () => {
  const options = await withGo(goodBuild(root));
  const built = await provideTemporalServer(options);
  expect(await findTemporalServer(cacheDirectory)).toEqual(built);
  expect(await provideTemporalServer(options)).toEqual(built);
  expect(await readFile(join(root, 'calls'), 'utf8')).toBe(
    'install go.temporal.io/server/cmd/server@v1.32.0 go.temporal.io/server/cmd/tools/sql@v1.32.0 cgo=0\n',
  );
  expect(told).toHaveLength(2);
});

test('what is built needs no Go any more', async () => {
  const built = await provideTemporalServer(await withGo(goodBuild(root)));
  const withoutGo = { cacheDirectory, searchPath: '', log: () => undefined };
  await expect(provideTemporalServer(withoutGo)).resolves.toEqual(built);
});

test('two processes that build at once both end with the programs', async () => {
  const options = await withGo(goodBuild(root));
  const [one, other] = await Promise.all([provideTemporalServer(options), provideTemporalServer(options)]);
  expect(one).toEqual(other);
  expect(await readdir(cacheDirectory)).toEqual(['temporal-server-1.32.0']);
});

test.each([
  ['fails', 'echo "requires go >= 1.26.8" >&2; exit 1', /requires go >= 1\.26\.8/],
  ['leaves one program out', 'touch "$GOBIN/server"', /ENOENT/],
])('a build that %s says why, and leaves nothing that could be taken for programs', async (_, script, reason) => {
  await expect(provideTemporalServer(await withGo(script))).rejects.toThrow(reason);
  expect(await readdir(cacheDirectory)).toEqual([]);
});

test('an abort ends the build with all its processes', async () => {
  const compiler = join(root, 'compiler');
  const stopping = new AbortController();
  const options = await withGo(`sh -c 'echo $$ > ${compiler}; exec sleep 600' & wait`, stopping.signal);
  const end = provideTemporalServer(options).catch(String);
  const pid = await until('the compiler runs', async () => Number(await readFile(compiler, 'utf8')) || undefined);
  stopping.abort();
  expect(await end).toMatch(/SIGKILL/);
  await until('the compiler is gone', async () => (await startOf(pid)) === '');
  expect(await readdir(cacheDirectory)).toEqual([]);
});

test('nothing is built for whom stops before it begins', async () => {
  const options = await withGo(goodBuild(root), AbortSignal.abort());
  await expect(provideTemporalServer(options)).rejects.toThrow(/abort/i);
  expect(await readdir(root)).not.toContain('calls');
});
