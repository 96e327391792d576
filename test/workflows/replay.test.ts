import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';
import { bundleWorkflows, silentLogger } from './bundle.ts';
import { historiesOf, recordedReleases, unreleased } from './releases.ts';

const files = recordedReleases().flatMap((release) =>
  readdirSync(historiesOf(release))
    .filter((file) => file.endsWith('.json'))
    .map((file) => `${release}/${file}`),
);

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  Runtime.install({
    logger: silentLogger,
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'off', forward: {} } },
  });
  bundle = await bundleWorkflows();
}, 60_000);

const textOf = (file: string): string => readFileSync(historiesOf(file), 'utf8');

async function replay(text: string): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: bundle }, JSON.parse(text));
}

const releasesOf = (changelog: string): readonly string[] =>
  [...changelog.matchAll(/^## \[(\d+\.\d+\.\d+)\]/gm)].map(([, release = '']) => release);
const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

test('every release that the changelog names has kept the histories of the plain stories, and so has the next one', () => {
  const { version }: { readonly version: string } = JSON.parse(read('package.json'));
  const releases = new Set([...releasesOf(read('CHANGELOG.md')), version, unreleased]);
  const plain = [
    'cancel',
    'copy-failed',
    'deliver-webhook',
    'failover',
    'late-video',
    'plain-success',
    'poll-fallback',
  ];
  const wanted = [...releases].flatMap((release) => plain.map((name) => `${release}/${name}.json`));
  expect(files).toEqual(expect.arrayContaining(wanted));
  expect(releasesOf('## [Unreleased]\n## [1.2.3] - 2026-12-01\n## [0.1.0]\n')).toEqual(['1.2.3', '0.1.0']);
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
    const text = textOf(`${unreleased}/plain-success.json`);
    const doctored = text.replace(from, to);
    expect(doctored).not.toBe(text);
    await expect(replay(doctored)).rejects.toThrow(DeterminismViolationError);
  },
  30_000,
);
