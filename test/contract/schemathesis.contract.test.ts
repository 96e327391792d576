import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installPython } from '../support/python-package.ts';
import { useStack } from '../support/stack.ts';

const apiKey = 'contract-key-of-forty-characters-or-more';
const stack = useStack(() => ({ env: { SPILLWAY_API_KEY: apiKey } }));

/** What it thinks of by itself is the same in every run; the rest grows from the seed. */
const runs = [
  { seed: 6, phases: 'examples,coverage,fuzzing,stateful', examples: 25 },
  { seed: 7, phases: 'fuzzing,stateful', examples: 15 },
  { seed: 8, phases: 'fuzzing,stateful', examples: 15 },
];

/** It makes up requests from the document, sound ones and others, sends them to real processes, and judges the answers. */
test.each(runs)(
  'Schemathesis finds no answer that the document does not allow, and no 5xx, seed $seed',
  {
    timeout: 600_000,
  },
  async ({ seed, phases, examples }) => {
    const place = await installPython({
      name: 'schemathesis-4.32.5',
      packages: ['schemathesis==4.32.5'],
      what: '`npm run test:contract` needs python3 with pip and, once, the Python package index, for Schemathesis.',
    });
    const { code, output } = await run(place, [
      '--config-file',
      join(import.meta.dirname, 'schemathesis.toml'),
      'run',
      `--seed=${seed}`,
      `--phases=${phases}`,
      `--max-examples=${examples}`,
      `${stack.url}/openapi.json`,
    ]);
    if (code !== 0) process.stderr.write(output);
    expect(code).toBe(0);
    expect(output).toContain(`Seed: ${seed}`);
    expect(output).not.toContain('Authentication failed');
  },
);

/** Refusals fit the document too: they alone would say nothing of what it promises. */
test('most calls were answered with success, too', async () => {
  const ops = /"ops":"([^"]+)"/.exec(await stack.log('api'))?.[1] ?? '';
  const metrics = await (await fetch(`${ops}/metrics`)).text();
  const succeeded = metrics.matchAll(
    /^spillway_api_request_seconds_count\{method="(\w+)",route="([^"]+)",status="20\d"\}/gm,
  );
  const calls = new Set([...succeeded].map(([, method, route]) => `${method} ${route}`));
  expect([...calls]).toEqual(expect.arrayContaining(mustSucceed));
});

const mustSucceed = [
  'GET /v1/models',
  'GET /v1/models/:id',
  'POST /v1/videos',
  'GET /v1/videos',
  'GET /v1/videos/:id',
  'GET /v1/videos/:id/timeline',
  'POST /v1/videos/:id/cancel',
  'DELETE /v1/videos/:id',
  'POST /v1/uploads',
  'GET /v1/usage',
  'POST /v1/webhook_endpoints',
  'GET /v1/webhook_endpoints',
  'PATCH /v1/webhook_endpoints/:id',
  'DELETE /v1/webhook_endpoints/:id',
  'GET /v1/webhook_secret',
];

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
