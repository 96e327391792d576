import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';
import { bundleWorkflows, silentLogger } from './bundle.ts';

const directory = join(import.meta.dirname, '../histories');
const files = readdirSync(directory).filter((file) => file.endsWith('.json'));

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  Runtime.install({
    logger: silentLogger,
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'off', forward: {} } },
  });
  bundle = await bundleWorkflows();
}, 60_000);

const textOf = (file: string): string => readFileSync(join(directory, file), 'utf8');

async function replay(text: string): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: bundle }, JSON.parse(text));
}

test('the histories of the plain stories are kept, and whatever a production has added', () => {
  const plain = ['cancel', 'copy-failed', 'failover', 'late-video', 'plain-success', 'poll-fallback'];
  expect(files).toEqual(expect.arrayContaining(plain.map((name) => `${name}.json`)));
});

test.each(files)(
  '%s replays',
  async (file) => {
    await expect(replay(textOf(file))).resolves.toBeUndefined();
  },
  30_000,
);

test.each(files)('%s names no machine', (file) => {
  const text = textOf(file);
  expect(text.match(/"identity": "(?!client"|worker"|")[^"]+"/g)).toBeNull();
  expect(text.length).toBeLessThan(60_000);
});

test.each([
  { what: 'another activity', from: /"name": "submitAttempt"/, to: '"name": "watchAttempt"' },
  { what: 'another signal', from: /"signalName": "callback"/, to: '"signalName": "hint"' },
])(
  'a history of $what is refused',
  async ({ from, to }) => {
    const text = textOf('plain-success.json');
    const doctored = text.replace(from, to);
    expect(doctored).not.toBe(text);
    await expect(replay(doctored)).rejects.toThrow(DeterminismViolationError);
  },
  30_000,
);
