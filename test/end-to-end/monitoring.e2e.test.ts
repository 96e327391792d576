import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type CuttableProxy, openProxy } from '../api/cuttable-proxy.ts';
import { recordedPath } from '../main/monitoring/exported.ts';
import { readExposition, type Told } from '../main/monitoring/exposition.ts';
import { allQueries } from '../main/monitoring/files.ts';
import { readQuery } from '../main/monitoring/query.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { type Receiver, startReceiver, status } from '../webhooks/receiver.ts';

let proxy: CuttableProxy;
const stack = useStack(async () => {
  const [host = '', port] = inject('temporalAddress').split(':');
  proxy = await openProxy({ host, port: Number(port) });
  return {
    env: { SPEND_CAP_USD: '100000', WEBHOOK_ALLOW_PRIVATE: 'true' },
    temporalAddressOfParts: `127.0.0.1:${proxy.port}`,
  };
});
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await proxy.close();
});

/** Told from the start, and without a sample before the trouble that they count: the unit test holds their labels. */
const onlyInTrouble = new Set([
  'spillway_api_streams_ended_total',
  'spillway_breaker_changes_total',
  'spillway_spills_total',
  'spillway_stuck_oldest_seconds',
  'spillway_webhook_endpoints_disabled_total',
]);

const ofScrapes = new Set(['instance', 'job']);
const patience = { withinMs: 90_000, everyMs: 500 };

async function scrape(): Promise<ReadonlyMap<string, Told>> {
  const urls = [stack.opsUrl('api'), stack.opsUrl('worker')];
  return readExposition(...(await Promise.all(urls.map(async (url) => await (await fetch(`${url}/metrics`)).text()))));
}

/** Something of everything that is counted: ends of both kinds, callbacks and polls, a lost answer, refusals, webhooks. */
async function makeTraffic(): Promise<void> {
  receiver.answer('/refuses', status(500));
  const wishes = [
    { prompt: 'a boat', seconds: 5, webhook_url: `${receiver.origin}/refuses` },
    { prompt: '[sim:callback-lost] a boat', seconds: 5 },
    { prompt: '[sim:submit-reset-after] a boat', seconds: 5 },
    { prompt: '[sim:failed] a wreck', seconds: 5, fallback: 'none' },
  ];
  const videos = await Promise.all(wishes.map((wish) => stack.accept(wish)));
  expect((await stack.post({ prompt: '' })).status).toBe(400);
  await stack.untilAllFinal(
    videos.map(({ id }) => id),
    patience,
  );
}

/** Calls that fail, and polls among them, are only told of once there are some. */
async function loseTemporal(): Promise<void> {
  proxy.set('refuse');
  await until(
    'calls to Temporal have failed',
    async () => {
      const told = await scrape();
      return told.has('temporal_request_failure_total') && told.has('temporal_long_request_failure_total');
    },
    patience,
  );
  proxy.set('open');
}

/** What the rules and the dashboard ask for, and the processes do not tell. */
function missingFrom(told: ReadonlyMap<string, Told>): readonly string[] {
  return allQueries.flatMap(({ where, query }) =>
    readQuery(query, told).flatMap(({ metric, labels }) => {
      const family = told.get(metric);
      if (family === undefined) return [`${where}: no process tells ${metric}`];
      if (family.samples === 0) return onlyInTrouble.has(metric) ? [] : [`${where}: ${metric} has no sample`];
      const own = [...family.labels.keys()];
      return labels
        .filter(({ name }) => !own.includes(name) && !ofScrapes.has(name))
        .map(({ name }) => `${where}: ${metric} has no label ${name}, only ${own.join(', ')}`);
    }),
  );
}

test('what the alert rules and the dashboard ask for is told by real processes, with these labels', async () => {
  await makeTraffic();
  await loseTemporal();
  const told = await until(
    'everything is told',
    async () => {
      const now = await scrape();
      const missing = missingFrom(now);
      if (missing.length > 0) throw new Error(missing.slice(0, 20).join('\n'));
      return now;
    },
    patience,
  );
  expect(told.size).toBeGreaterThan(60);
  // Nothing is passed over because nobody asks.
  expect(missingFrom(new Map()).length).toBeGreaterThan(80);
  if (process.env['RECORD_METRICS'] === '1') record(told);
});

/** Labels whose values are ours or the SDK's, the same in each deployment. */
const closed = new Set(['activity_type', 'operation', 'poller_type', 'task_queue', 'worker_type', 'workflow_type']);

/** For the unit test, which has no worker: what Temporal's SDK tells. */
function record(told: ReadonlyMap<string, Told>): void {
  const recorded = [...told]
    .filter(([name]) => name.startsWith('temporal_'))
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, { type, labels }]) => {
      const values = [...labels].map(
        ([label, seen]) => [label, closed.has(label) ? [...seen].toSorted() : []] as const,
      );
      return [name, { type, labels: Object.fromEntries(values) }] as const;
    });
  writeFileSync(recordedPath, `${JSON.stringify(Object.fromEntries(recorded), undefined, 2)}\n`);
}
