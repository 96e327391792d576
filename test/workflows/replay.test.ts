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

/** What Temporal UI shows beside an event; of a local activity the SDK puts it on none. */
const summaryOf = (event: { readonly userMetadata?: { readonly summary?: { readonly data?: string } } }): string =>
  Buffer.from(event.userMetadata?.summary?.data ?? '', 'base64').toString();

test.each(files.filter((file) => file.startsWith(unreleased)))(
  '%s has a summary on each activity and timer',
  (file) => {
    const {
      events,
    }: { readonly events: readonly (Parameters<typeof summaryOf>[0] & { readonly eventType: string })[] } = JSON.parse(
      textOf(file),
    );
    const shown = events.filter(({ eventType }) => /_(ACTIVITY_TASK_SCHEDULED|TIMER_STARTED)$/.test(eventType));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.filter((event) => summaryOf(event).length < 3)).toEqual([]);
  },
);

test('every activity and every wait of a workflow is written with a summary', () => {
  const directory = join(import.meta.dirname, '../../src/workflows');
  const calls = readdirSync(directory).flatMap((file) => callsIn(readFileSync(join(directory, file), 'utf8')));
  expect(calls.length).toBeGreaterThan(10);
  expect(calls.filter((call) => !call.includes('summary'))).toEqual([]);
  expect(callsIn('await sleep(5);\nproxyActivities<One>({ ...options, summary: (a) })')).toEqual([
    'sleep(5)',
    'proxyActivities<One>({ ...options, summary: (a) })',
  ]);
});

/** Calls that make an activity's stub or a timer, with their arguments. A wait for a condition alone has no event. */
function callsIn(source: string): readonly string[] {
  return [...source.matchAll(/\b(?:proxy(?:Local)?Activities(?:<\w+>)?|sleep|condition)\(/g)]
    .map(({ 0: head, index }) => source.slice(index, endOfCall(source, index + head.length)))
    .filter((call) => !call.startsWith('condition(') || /Ms|Date/.test(call));
}

function endOfCall(source: string, from: number): number {
  let open = 1;
  for (let at = from; at < source.length; at += 1) {
    if (source[at] === '(') open += 1;
    if (source[at] === ')') open -= 1;
    if (open === 0) return at + 1;
  }
  throw new Error('a call does not end');
}

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
