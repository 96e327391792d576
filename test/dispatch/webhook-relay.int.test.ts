import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createWebhookActivities } from '../../src/activities/try-webhook.ts';
import { webhookTaskQueue } from '../../src/contracts/deliver-webhook.ts';
import { taskQueue } from '../../src/contracts/generate-video.ts';
import { createWebhookRelay, type WebhookRelay, type WebhookRelayDeps } from '../../src/dispatch/webhook-relay.ts';
import { type Loop, startLoop } from '../../src/dispatch/wake.ts';
import { createWebhookClient, webhookUrlPolicy } from '../../src/providers/webhook-client.ts';
import { intercept } from '../db/intercept.ts';
import { until } from '../support/until.ts';
import { hang, status } from '../webhooks/receiver.ts';
import { openWebhookBench, type WebhookBench } from '../webhooks/webhook-bench.ts';
import { bundleWorkflows, silentLogger } from '../workflows/bundle.ts';
import { openTemporal, quiet, type TemporalBench } from './dispatch-bench.ts';

let bench: WebhookBench;
let temporal: TemporalBench;
beforeAll(async () => {
  [bench, temporal] = await Promise.all([
    openWebhookBench({ connectMs: 5_000, totalMs: 5_000, bodyMs: 500 }),
    openTemporal(),
  ]);
});
afterAll(async () => {
  await temporal.close();
  await bench.close();
});
// What a test leaves behind is not the next one's.
afterEach(async () => {
  await bench.pool.query(`UPDATE webhook_deliveries SET state = 'dropped', ended_at = now() WHERE ended_at IS NULL`);
  await bench.pool.query(
    `UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'owner' WHERE disabled_at IS NULL`,
  );
});

function relayWith(deps: Partial<WebhookRelayDeps> = {}): WebhookRelay {
  return createWebhookRelay({ ...bench.tryDeps, client: temporal.client, log: quiet, ...deps });
}

/** Takes up until nothing is due any more, and waits for what is on its way. */
async function drain(relay: WebhookRelay): Promise<void> {
  while ((await relay.takeUp()) === 'again');
  await relay.idle();
}

const only = async (job: string) => {
  const [delivery, ...others] = await bench.deliveries(job);
  if (delivery === undefined || others.length > 0) throw new Error(`${others.length} deliveries beside it`);
  return delivery;
};

/** Throws where Temporal has no such workflow. */
const describeWorkflow = (id: string) => temporal.client.workflow.getHandle(id).describe();

describe('the first try', () => {
  test('is made at once, and no workflow has anything to do with one that succeeds', async () => {
    const endpoint = await bench.addEndpoint();
    const late: number[] = [];
    const job = await bench.failJob();
    await drain(relayWith({ onFirstTry: (lateMs) => late.push(lateMs) }));
    const { id, state, tries } = await only(job);
    expect({ state, tries }).toEqual({ state: 'delivered', tries: 1 });
    expect(bench.receiver.at(`/${endpoint.id}`)).toHaveLength(1);
    expect(late).toEqual([expect.any(Number)]);
    await expect(describeWorkflow(id)).rejects.toThrow(/not found/i);
  });

  test('that fails is a workflow from then on, which the relay leaves its time', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    const job = await bench.failJob();
    await drain(relayWith());
    const { id, state, tries, relay_wait_s } = await only(job);
    expect({ state, tries }).toEqual({ state: 'retrying', tries: 1 });
    const described = await describeWorkflow(id);
    expect(described).toMatchObject({ type: 'deliverWebhook' });
    const attributes = described.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value] as const);
    expect(Object.fromEntries(attributes)).toEqual({ Tenant: 'default', StuckCause: 'webhook_failing' });
    expect(await described.staticSummary()).toBe(`webhook of ${job} for tenant default, whose first try failed`);
    expect(relay_wait_s).toBeGreaterThan(500);
    // The workflow is late by more than its grace: whatever has become of it, somebody tries.
    await bench.age(id, 700);
    await drain(relayWith());
    expect(bench.receiver.at(`/${endpoint.id}`)).toHaveLength(2);
    expect(await only(job)).toMatchObject({ state: 'retrying', tries: 2 });
  });

  test('while Temporal is away, all further ones are the relay’s', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    const job = await bench.failJob();
    const broken = Object.assign(Object.create(temporal.client), {
      withDeadline: () => Promise.reject(new Error('Temporal is away')),
    });
    const relay = relayWith({ client: broken });
    await drain(relay);
    const { id, relay_wait_s } = await only(job);
    expect(relay_wait_s).toBeLessThan(10);
    bench.receiver.answer(`/${endpoint.id}`, status(200));
    await bench.age(id, 10);
    await drain(relay);
    expect(await only(job)).toMatchObject({ state: 'delivered', tries: 2 });
  });

  test('whose maker dies after the 2xx and before the note is made again, under the same id', async () => {
    const endpoint = await bench.addEndpoint();
    const job = await bench.failJob();
    /** A process that is killed the moment it wants to note what it was answered. */
    const dying = intercept(bench.pool, async (statement) => {
      if (statement === 'record_webhook_try') throw new Error('killed');
    });
    await drain(relayWith({ db: dying }));
    const { id } = await only(job);
    await drain(relayWith());
    // Its lease still holds, so nobody else has tried.
    expect(bench.receiver.at(`/${endpoint.id}`)).toHaveLength(1);
    await bench.age(id, 31);
    await drain(relayWith());
    expect(await only(job)).toMatchObject({ state: 'delivered', tries: 1 });
    const ids = bench.receiver.at(`/${endpoint.id}`).map(({ headers }) => headers['webhook-id']);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  test('of many relays at once is one', async () => {
    const endpoint = await bench.addEndpoint();
    for (let count = 0; count < 12; count += 1) await bench.failJob();
    const relays = Array.from({ length: 4 }, () => relayWith());
    await until('all are told', async () => {
      await Promise.all(relays.map((relay) => drain(relay)));
      return bench.receiver.at(`/${endpoint.id}`).length >= 12;
    });
    const ids = bench.receiver.at(`/${endpoint.id}`).map(({ headers }) => headers['webhook-id']);
    expect(ids).toHaveLength(12);
    expect(new Set(ids).size).toBe(12);
  });
});

test('a workflow makes the second try, five seconds after the first', async () => {
  Runtime.install({ logger: silentLogger, shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
  // Nobody else's workflows are to be worked on first.
  const own = await openTemporal();
  const { namespace } = own;
  const activities = { ...createWebhookActivities(bench.tryDeps) };
  const workflowBundle = await bundleWorkflows();
  const workers = await Promise.all([
    Worker.create({ connection, namespace, taskQueue, workflowBundle }),
    Worker.create({ connection, namespace, taskQueue: webhookTaskQueue, activities }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  try {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, (response, received) =>
      response.writeHead(bench.receiver.at(received.path).length > 1 ? 200 : 500).end(),
    );
    const job = await bench.failJob();
    await drain(relayWith({ client: own.client }));
    const { id } = await only(job);
    expect(await own.client.workflow.getHandle(id).result()).toEqual({ state: 'delivered' });
    expect(await only(job)).toMatchObject({ state: 'delivered', tries: 2 });
    // Ids and figures: to whom, and what, is nowhere in it.
    const { events } = await own.client.workflow.getHandle(id).fetchHistory();
    const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const input: unknown = JSON.parse(Buffer.from(payload?.data ?? []).toString());
    expect(input).toEqual({ deliveryId: id, jobId: job, tries: 1, delayMs: expect.any(Number) });
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
    await connection.close();
    await own.close();
  }
});

test('a thousand endpoints that hang do not delay a healthy one', async () => {
  const hanging = 1_000;
  const receiver = bench.receiver;
  await bench.pool.query(`INSERT INTO tenants (id) VALUES ('victims') ON CONFLICT DO NOTHING`);
  receiver.answer('/hang', hang);
  // Each of its own: what they have in common is only the machine.
  for (let count = 0; count < hanging; count += 1)
    await bench.addEndpoint({ url: `${receiver.origin}/hang`, tenant: 'victims' });
  const healthy = await bench.addEndpoint();
  // Ten events for each of them, so that there is always one more to hang at.
  for (let count = 0; count < 10; count += 1)
    await bench.pool.query(
      `INSERT INTO webhook_deliveries (id, event_id, tenant, endpoint, receiver, kind, event_at)
       SELECT 'whd_' || md5(id || $1), 'evt_' || md5(id || $1), tenant, id, id, 'webhook.test', now()
       FROM webhook_endpoints WHERE tenant = 'victims'`,
      [count],
    );
  // As in production, but for the hands: fewer than there are endpoints that hang, and the moment after which they are free.
  let loop: Loop | undefined;
  const post = createWebhookClient({ policy: webhookUrlPolicy({ privateAllowed: true }) });
  const relay = relayWith({ post, handsMax: 100, hangMs: 100, onFree: () => loop?.wake() });
  loop = startLoop({ everyMs: 50, gapMs: 5, round: () => relay.takeUp(), onError: () => undefined });
  await until('a thousand hang', () => receiver.at('/hang').length >= hanging, { withinMs: 50_000 });
  const lags: number[] = [];
  for (let count = 0; count < 10; count += 1) {
    const sentAt = performance.now();
    await bench.failJob();
    await until('the healthy one is told', () => receiver.at(`/${healthy.id}`).length > count);
    lags.push(performance.now() - sentAt);
  }
  await loop.stop();
  // What hangs gives up after fifteen seconds; whoever had to wait for one of them would wait as long.
  expect(Math.max(...lags)).toBeLessThan(7_500);
  expect(receiver.at('/hang').length).toBeGreaterThanOrEqual(hanging);
}, 120_000);
