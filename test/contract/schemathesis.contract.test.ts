import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installPython } from '../support/python-package.ts';
import { useStack } from '../support/stack.ts';

const apiKey = 'contract-key-of-forty-characters-or-more';
const stack = useStack(() => ({ env: { SPILLWAY_API_KEY: apiKey } }));

/** It makes up requests from the document, sound ones and others, sends them to real processes, and judges the answers. */
test('Schemathesis finds no answer that the document does not allow, and no 5xx', { timeout: 600_000 }, async () => {
  const place = await installPython({
    name: 'schemathesis-4.32.5',
    packages: ['schemathesis==4.32.5'],
    what: '`npm run test:contract` needs python3 with pip and, once, the Python package index, for Schemathesis.',
  });
  const { code, output } = await run(place, [
    '--config-file',
    join(import.meta.dirname, 'schemathesis.toml'),
    'run',
    `${stack.url}/openapi.json`,
  ]);
  if (code !== 0) process.stderr.write(output);
  expect(code).toBe(0);
});

const program =
  'import sys; sys.path.insert(0, sys.argv.pop(1)); from schemathesis.cli import schemathesis; schemathesis()';

async function run(place: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env, CONTRACT_KEY: apiKey, PYTHONPATH: place, NO_COLOR: '1' };
  const child = spawn('python3', ['-c', program, place, ...args], { env, cwd: import.meta.dirname });
  // A run that is cut short must not leave it behind.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-100_000);
      if (process.env['CONTRACT_SHOW']) process.stderr.write(chunk);
    });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  process.off('exit', kill);
  return { code, output };
}
