import { join } from 'node:path';
import { expect, test } from 'vitest';
import { doctor } from '../../../src/main/doctor/doctor.ts';
import { createPart } from '../../support/processes.ts';
import { useStack } from '../../support/stack.ts';
import { createBareNamespace } from '../../support/temporal-namespace.ts';
import { until } from '../../support/until.ts';

const stack = useStack(() => ({
  env: { ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}` },
  providers: ['wavespeed'],
}));

test('a deployment that runs is well by the doctor’s word, down to the signature of its last callback', async () => {
  const { id } = await stack.accept({ prompt: 'a fox' });
  await stack.untilFinal(id);
  // The note of a callback is written beside its answer.
  await until(
    'the callback is noted',
    async () => (await stack.pool.query('SELECT 1 FROM callback_readings')).rowCount,
  );
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const code = await doctor([], { say, note: say, environment: stack.env });
  const text = lines.join('\n');
  expect({ code, bad: lines.filter((line) => /^(warn|fail)/.test(line)) }).toEqual({ code: 0, bad: [] });
  expect(text).toMatch(/ok +workers: Every task queue is served, by 1 worker/);
  expect(text).toMatch(/ok +last callbacks: wavespeed's of .* was signed and right/);
  expect(text).toMatch(/ok +callbacks: Callbacks reach this deployment/);
});

test('a worker ends at boot where the namespace was never prepared, and starts once `migrate` has run', async () => {
  const namespace = await createBareNamespace(stack.temporal.connection, stack.temporalAddress);
  const env = { ...stack.env, TEMPORAL_NAMESPACE: namespace, OPS_PORT: '0' };
  const logFile = (name: string): string => join(stack.env['DATA_DIRECTORY'] ?? '', `${name}.log`);
  const worker = createPart({ command: 'worker', env, readyLine: 'worker is up', logFile: logFile('worker-at-boot') });
  await expect(worker.start()).rejects.toThrow(
    /"code":1.*lacks the search attributes Tenant, .*search-attribute create/s,
  );
  await createPart({ command: 'migrate', env, logFile: logFile('migrate-again') }).start();
  await worker.start();
  await worker.end('SIGTERM');
}, 200_000);
