import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { claimDeliveries, claimDelivery } from '../../src/db/webhooks/claims.ts';
import { changeEndpoint, deleteEndpoint, rotateEndpointSecret } from '../../src/db/webhooks/endpoints.ts';
import { forgetDeliveries, forgetWebhookTraces } from '../../src/db/webhooks/upkeep.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { newSecret } from '../../src/webhooks/signature.ts';
import { tryDelivery } from '../../src/webhooks/try-delivery.ts';
import { until } from '../support/until.ts';
import { hang, type Received, status } from './receiver.ts';
import { box, openWebhookBench, type WebhookBench } from './webhook-bench.ts';

let bench: WebhookBench;
beforeAll(async () => {
  bench = await openWebhookBench();
});
afterAll(async () => {
  await bench.close();
});

/** The one delivery of a job to an endpoint. */
async function deliveryTo(endpoint: string | null, job: string) {
  const found = (await bench.deliveries(job)).filter((one) => one.endpoint === endpoint);
  const [only, ...others] = found;
  if (only === undefined || others.length > 0) throw new Error(`${found.length} deliveries to ${endpoint}`);
  return only;
}

/** Makes the try that is due, as a workflow would. */
async function tryOnce(id: string) {
  const claim = await claimDelivery(bench.pool, id);
  if (claim.verdict !== 'go') throw new Error(`not due: ${JSON.stringify(claim)}`);
  return await tryDelivery(bench.tryDeps, { id, tries: claim.tries });
}

/** Throws unless the library of Standard Webhooks accepts it. */
function verified(received: Received | undefined, secret: string): Record<string, unknown> {
  const headers = Object.fromEntries(
    Object.entries(received?.headers ?? {}).map(([name, value]) => [name, String(value)]),
  );
  return Object(new Webhook(secret).verify(received?.body ?? '', headers));
}

describe('a delivery is written with its event', () => {
  test('for each endpoint that wants it, and for the URL of the job, once', async () => {
    const all = await bench.addEndpoint();
    const ends = await bench.addEndpoint({ events: ['video.failed'] });
    const other = await bench.addEndpoint({ events: ['video.completed'] });
    const job = await bench.beginJob({ webhook_url: `${bench.receiver.origin}/own` });
    await settleJob(bench.pool, job, { phase: 'failed', failure: failureOf('timed_out') });
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    const told = (await bench.deliveries(job)).map(({ endpoint, kind }) => `${endpoint ?? 'own'} ${kind}`);
    expect(told.toSorted()).toEqual(
      [
        `${all.id} video.in_progress`,
        `${all.id} video.failed`,
        `${ends.id} video.failed`,
        'own video.in_progress',
        'own video.failed',
      ].toSorted(),
    );
    expect(told.join()).not.toContain(other.id);
    const ids = new Set((await bench.deliveries(job)).map(({ event_id, kind }) => `${kind} ${event_id}`));
    expect(ids.size).toBe(2);
  });

  test('to nobody whose tenant it is not, and to none that is disabled or deleted', async () => {
    await bench.pool.query(`INSERT INTO tenants (id) VALUES ('other')`);
    const stranger = await bench.addEndpoint({ tenant: 'other' });
    const disabled = await bench.addEndpoint();
    const deleted = await bench.addEndpoint();
    const owned = { tenant: 'default' };
    await changeEndpoint(bench.pool, { id: disabled.id, ...owned }, { enabled: false });
    expect(await deleteEndpoint(bench.pool, { id: deleted.id, ...owned })).toBe(true);
    const told = (await bench.deliveries(await bench.failJob())).map(({ endpoint }) => endpoint);
    for (const { id } of [stranger, disabled, deleted]) expect(told).not.toContain(id);
  });

  test('a job whose first attempt was never sent begins with the second, and tells so once', async () => {
    const endpoint = await bench.addEndpoint({ events: ['video.in_progress'] });
    const job = await bench.acceptJob();
    const say = (attempt: number) =>
      bench.pool.query(`SELECT append_event($1, 'attempt.started', $2)`, [job, JSON.stringify({ attempt })]);
    await bench.pool.query(
      `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token) VALUES ($1, 2, 'default', 'vendor', 0, 'vendor/model', 'vendor', 't2')`,
      [job],
    );
    await say(2);
    await bench.pool.query(
      `INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, token) VALUES ($1, 3, 'default', 'vendor', 0, 'vendor/model', 'vendor', 't3')`,
      [job],
    );
    await say(3);
    expect((await bench.deliveries(job)).filter((one) => one.endpoint === endpoint.id)).toHaveLength(1);
  });

  test('an event that is rolled back tells nobody', async () => {
    const endpoint = await bench.addEndpoint();
    const job = await bench.acceptJob();
    const connection = await bench.pool.connect();
    await connection.query('BEGIN');
    await connection.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [job]);
    await connection.query('ROLLBACK');
    connection.release();
    expect((await bench.deliveries(job)).filter((one) => one.endpoint === endpoint.id)).toEqual([]);
  });
});

describe('what is sent', () => {
  test('is signed as Standard Webhooks are, thin, and without the prompt', async () => {
    const endpoint = await bench.addEndpoint();
    const job = await bench.failJob({ metadata: { token: 'apns-1' } });
    const { id, event_id } = await deliveryTo(endpoint.id, job);
    expect(await tryOnce(id)).toMatchObject({ state: 'delivered', status: 204 });
    const [received] = bench.receiver.at(`/${endpoint.id}`);
    expect(received?.headers).toMatchObject({ 'webhook-id': event_id, 'content-type': 'application/json' });
    expect(event_id).not.toContain('.');
    expect(received?.body).not.toContain('boat');
    expect(verified(received, endpoint.secret)).toMatchObject({
      type: 'video.failed',
      data: {
        id: job,
        object: 'video',
        status: 'failed',
        error: { code: 'timed_out', message: expect.any(String) },
        metadata: { token: 'apns-1' },
        outputs: [],
        completed_at: null,
      },
    });
    expect(() => verified(received, newSecret())).toThrow('No matching signature');
    expect(() => verified({ ...received!, body: `${received?.body} ` }, endpoint.secret)).toThrow(
      'No matching signature',
    );
  });

  test('of a completed video names where it lies', async () => {
    const endpoint = await bench.addEndpoint();
    const job = await bench.finishJob();
    await bench.keepVideo(job);
    await settleJob(bench.pool, job, { phase: 'completed', attempt: 1 });
    const done = (await bench.deliveries(job)).find(
      (one) => one.endpoint === endpoint.id && one.kind === 'video.completed',
    );
    await tryOnce(done?.id ?? '');
    const sent = verified(bench.receiver.at(`/${endpoint.id}`).at(-1), endpoint.secret);
    expect(sent).toMatchObject({
      type: 'video.completed',
      data: {
        status: 'completed',
        error: null,
        completed_at: expect.any(Number),
        outputs: [{ url: `https://videos.example.com/v1/videos/${job}/content`, content_type: 'video/mp4', bytes: 5 }],
      },
    });
  });

  test('of the beginning says nothing of an end that has come meanwhile', async () => {
    const endpoint = await bench.addEndpoint({ events: ['video.in_progress'] });
    const job = await bench.beginJob();
    await settleJob(bench.pool, job, { phase: 'failed', failure: failureOf('timed_out') });
    await tryOnce((await deliveryTo(endpoint.id, job)).id);
    const { data } = JSON.parse(bench.receiver.at(`/${endpoint.id}`)[0]?.body ?? '{}');
    expect(data).toMatchObject({ status: 'in_progress', error: null, cost_usd: null, outputs: [] });
  });

  test('is signed with both secrets while a rotation lasts, also in the middle of retries, and then with the new one', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    await tryOnce(id);
    const next = newSecret();
    const rotation = { id: endpoint.id, tenant: 'default', secret: box.seal(next, endpoint.id), hoursOfPrevious: 24 };
    await rotateEndpointSecret(bench.pool, rotation);
    await bench.age(id, 10);
    await tryOnce(id);
    const during = bench.receiver.at(`/${endpoint.id}`).at(-1);
    expect(verified(during, endpoint.secret)).toMatchObject({ type: 'video.failed' });
    expect(verified(during, next)).toMatchObject({ type: 'video.failed' });

    await bench.pool.query(`UPDATE webhook_endpoints SET previous_until = now() WHERE id = $1`, [endpoint.id]);
    await bench.age(id, 400);
    await tryOnce(id);
    const afterwards = bench.receiver.at(`/${endpoint.id}`).at(-1);
    expect(verified(afterwards, next)).toMatchObject({ type: 'video.failed' });
    expect(() => verified(afterwards, endpoint.secret)).toThrow('No matching signature');
    expect(new Set(bench.receiver.at(`/${endpoint.id}`).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  test('to the URL of a job is signed with a secret of the tenant that is made once', async () => {
    const path = '/own-url';
    for (let count = 0; count < 2; count += 1) {
      const job = await bench.failJob({ webhook_url: bench.receiver.origin + path });
      await tryOnce((await deliveryTo(null, job)).id);
    }
    const { secret } = await bench.row<{ secret: string }>(
      `SELECT secret FROM webhook_secrets WHERE tenant = 'default'`,
    );
    expect(secret).toMatch(/^gcm:k1:/);
    const own = box.open(secret, 'tenant:default');
    for (const received of bench.receiver.at(path)) verified(received, own);
    expect(bench.receiver.at(path)).toHaveLength(2);
  });

  test('of a job that was deleted is nothing, to nobody: neither what waits nor what would follow', async () => {
    const endpoint = await bench.addEndpoint();
    const url = bench.receiver.origin + '/deleted';
    const states = async (job: string) =>
      (await bench.deliveries(job))
        .filter((one) => one.endpoint === null || one.endpoint === endpoint.id)
        .map(({ kind, state, reason }) => [kind, state, reason]);
    const dropped = ['video.failed', 'dropped', 'erased'];

    const waits = await bench.failJob({ webhook_url: url });
    await bench.pool.query(`SELECT erase_job($1, 'default')`, [waits]);
    expect(await states(waits)).toEqual([dropped, dropped]);

    const line = await bench.acceptJob();
    await bench.pool.query(`SELECT erase_job($1, 'default')`, [line]);
    expect(await bench.row('SELECT phase FROM jobs WHERE id = $1', line)).toEqual({ phase: 'cancelled' });
    expect(await states(line)).toEqual([]);

    // Somebody was about to try it when it was deleted.
    const held = await bench.failJob();
    const { id } = await deliveryTo(endpoint.id, held);
    await bench.pool.query('UPDATE jobs SET request = NULL WHERE id = $1', [held]);
    expect(await tryOnce(id)).toMatchObject({ state: 'dropped', outcome: 'erased' });
    expect(bench.receiver.at(`/${endpoint.id}`)).toEqual([]);
    expect(bench.receiver.at('/deleted')).toEqual([]);
  });

  test('to an endpoint that was deleted is nothing, and the reason is that', async () => {
    const endpoint = await bench.addEndpoint();
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    await deleteEndpoint(bench.pool, { id: endpoint.id, tenant: 'default' });
    // Claimed a moment before.
    expect(await tryDelivery(bench.tryDeps, { id, tries: 0 })).toMatchObject({ outcome: 'endpoint_disabled' });
    expect(await bench.delivery(id)).toMatchObject({ state: 'dropped', reason: 'endpoint_disabled' });
  });

  test('is nothing once the job was erased with its URL', async () => {
    const job = await bench.failJob({ webhook_url: `${bench.receiver.origin}/erased` });
    const { id } = await deliveryTo(null, job);
    await bench.pool.query('UPDATE jobs SET request = NULL WHERE id = $1', [job]);
    expect(await tryOnce(id)).toMatchObject({ state: 'dropped', outcome: 'erased' });
    expect(bench.receiver.at('/erased')).toEqual([]);
  });
});

describe('the schedule', () => {
  test('is ten tries, each later than the last by the delays of the specification, and then it has failed', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    const waits: number[] = [];
    for (let count = 1; count < limits.webhookTriesMax; count += 1) {
      expect(await tryOnce(id)).toMatchObject({ state: 'retrying' });
      const { wait_s, tries } = await bench.delivery(id);
      expect(tries).toBe(count);
      waits.push(wait_s);
      expect(await claimDelivery(bench.pool, id)).toMatchObject({ verdict: 'early' });
      await bench.age(id, wait_s);
    }
    const delays = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (const [index, delay] of delays.entries()) {
      expect(waits[index]).toBeGreaterThan(delay * 0.8 - 5);
      expect(waits[index]).toBeLessThanOrEqual(delay * 1.2);
    }
    expect(await tryOnce(id)).toMatchObject({ state: 'failed', outcome: 'exhausted' });
    expect(await bench.delivery(id)).toMatchObject({ state: 'failed', reason: 'exhausted', tries: 10 });
    expect(await claimDelivery(bench.pool, id)).toMatchObject({ verdict: 'over', state: 'failed' });
    expect(bench.receiver.at(`/${endpoint.id}`)).toHaveLength(10);
  });

  test('waits as long as Retry-After says, and leaves the whole endpoint alone', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(503, { 'retry-after': '3600' }));
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    const other = await deliveryTo(endpoint.id, await bench.failJob());
    await tryOnce(id);
    expect((await bench.delivery(id)).wait_s).toBeGreaterThan(3_500);
    expect(await claimDelivery(bench.pool, other.id)).toMatchObject({ verdict: 'busy' });
  });

  test('an endpoint that answers 410 is disabled at once, and what waits for it is dropped', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(410));
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    const other = await deliveryTo(endpoint.id, await bench.failJob());
    expect(await tryOnce(id)).toMatchObject({ state: 'failed', disabled: 'gone' });
    expect(await bench.row('SELECT disabled_reason FROM webhook_endpoints WHERE id = $1', endpoint.id)).toEqual({
      disabled_reason: 'gone',
    });
    expect(await claimDelivery(bench.pool, other.id)).toMatchObject({ verdict: 'over', state: 'dropped' });
  });

  test('five days of nothing but failures disable an endpoint, and one success in between does not', async () => {
    const fail = async (endpoint: { id: string }) => {
      const { id } = await deliveryTo(endpoint.id, await bench.failJob());
      return await tryOnce(id);
    };
    const backdate = (id: string) =>
      bench.pool.query(
        `UPDATE webhook_receivers SET failing_since = now() - interval '6 days', failures = 20 WHERE receiver = $1`,
        [id],
      );
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    expect(await fail(endpoint)).toMatchObject({ disabled: null });
    await backdate(endpoint.id);
    bench.receiver.answer(`/${endpoint.id}`, status(200));
    await fail(endpoint);
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    expect(await fail(endpoint)).toMatchObject({ disabled: null });
    await backdate(endpoint.id);
    expect(await fail(endpoint)).toMatchObject({ disabled: 'failing' });
    // Who enables it gives it a fresh start.
    const enabled = await changeEndpoint(bench.pool, { id: endpoint.id, tenant: 'default' }, { enabled: true });
    expect(enabled).toMatchObject({ disabledAt: null, failingSince: null });
    expect(await fail(endpoint)).toMatchObject({ disabled: null });
  });

  test('an endpoint that failed months ago and was told nothing since is not disabled by one failure', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    await bench.pool.query(
      `INSERT INTO webhook_receivers (receiver, failing_since, last_failure_at, failures)
       VALUES ($1, now() - interval '60 days', now() - interval '59 days', 10)`,
      [endpoint.id],
    );
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    expect(await tryOnce(id)).toMatchObject({ state: 'retrying', disabled: null });
    const trouble = await bench.row(
      `SELECT failures, failing_since > now() - interval '1 minute' AS anew FROM webhook_receivers WHERE receiver = $1`,
      endpoint.id,
    );
    expect(trouble).toEqual({ failures: 1, anew: true });
  });

  test('a try that ends while its endpoint is changed waits for that, and holds nothing that the change needs', async () => {
    const endpoint = await bench.addEndpoint();
    bench.receiver.answer(`/${endpoint.id}`, status(410));
    await bench.pool.query(`INSERT INTO webhook_receivers (receiver, failing_since) VALUES ($1, now())`, [endpoint.id]);
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    // `changeEndpoint`, one half after the other.
    const owner = await bench.pool.connect();
    await owner.query('BEGIN');
    await owner.query(`UPDATE webhook_endpoints SET description = 'changed' WHERE id = $1`, [endpoint.id]);
    const made = tryDelivery(bench.tryDeps, { id, tries: 0 });
    await until('the note of the try waits', async () => {
      const { rowCount } = await bench.pool.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rowCount === 1;
    });
    await owner.query('DELETE FROM webhook_receivers WHERE receiver = $1', [endpoint.id]);
    await owner.query('COMMIT');
    owner.release();
    expect(await made).toMatchObject({ disabled: 'gone' });
  });

  test('a delivery that nobody could be told of for five days has failed', async () => {
    const endpoint = await bench.addEndpoint();
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    await bench.age(id, 5 * 86_400 + 60);
    expect(await claimDelivery(bench.pool, id)).toMatchObject({ verdict: 'over', state: 'failed' });
    expect(await bench.delivery(id)).toMatchObject({ reason: 'expired' });
  });
});

describe('one holder at a time', () => {
  test('of ten who claim a delivery one has it, until its lease runs out', async () => {
    const endpoint = await bench.addEndpoint();
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    const claims = await Promise.all(Array.from({ length: 10 }, () => claimDelivery(bench.pool, id)));
    expect(claims.filter(({ verdict }) => verdict === 'go')).toHaveLength(1);
    expect(claims.filter(({ verdict }) => verdict === 'busy')).toHaveLength(9);
    await bench.age(id, limits.webhookLeaseMs / 1_000);
    expect(await claimDelivery(bench.pool, id)).toMatchObject({ verdict: 'go', tries: 0 });
  });

  test('an endpoint is sent four at once, one while it fails', async () => {
    const endpoint = await bench.addEndpoint();
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) ids.push((await deliveryTo(endpoint.id, await bench.failJob())).id);
    const claimAll = async () =>
      (await Promise.all(ids.map((id) => claimDelivery(bench.pool, id)))).map(({ verdict }) => verdict);
    expect((await claimAll()).filter((verdict) => verdict === 'go')).toHaveLength(4);
    for (const id of ids) await bench.age(id, 60);
    await bench.pool.query(`INSERT INTO webhook_receivers (receiver, failing_since) VALUES ($1, now())`, [endpoint.id]);
    expect((await claimAll()).filter((verdict) => verdict === 'go')).toHaveLength(1);
  });

  test('a success counts whenever it comes; a failure that comes after another try does not', async () => {
    const endpoint = await bench.addEndpoint();
    const { id } = await deliveryTo(endpoint.id, await bench.failJob());
    await claimDelivery(bench.pool, id);
    await bench.age(id, 60);
    // The first holder was slow, and the second has failed meanwhile.
    bench.receiver.answer(`/${endpoint.id}`, status(500));
    await tryOnce(id);
    await tryDelivery(bench.tryDeps, { id, tries: 0 });
    expect(await bench.delivery(id)).toMatchObject({ state: 'retrying', tries: 1 });
    bench.receiver.answer(`/${endpoint.id}`, status(200));
    await tryDelivery(bench.tryDeps, { id, tries: 0 });
    expect(await bench.delivery(id)).toMatchObject({ state: 'delivered' });
    bench.receiver.answer(`/${endpoint.id}`, hang);
    await tryDelivery(bench.tryDeps, { id, tries: 1 });
    expect(await bench.delivery(id)).toMatchObject({ state: 'delivered' });
  });

  test('the URLs of a tenant’s jobs have so many places, however many there are; its endpoints have their own', async () => {
    await bench.pool.query(`UPDATE webhook_deliveries SET state = 'dropped', ended_at = now() WHERE ended_at IS NULL`);
    const endpoint = await bench.addEndpoint();
    for (let count = 0; count < 8; count += 1)
      await bench.failJob({ webhook_url: `https://host${count}.example.com/` });
    const claim = () => claimDeliveries(bench.pool, { count: 1_000, after: '', most: 4, urlsMax: 3 });
    const first = (await claim()).leased.map(({ id }) => id);
    const { rows } = await bench.pool.query<{ endpoint: string | null; count: number }>(
      'SELECT endpoint, count(*)::int FROM webhook_deliveries WHERE id = ANY($1) GROUP BY 1',
      [first],
    );
    expect(rows.find((one) => one.endpoint === null)?.count).toBe(3);
    expect(rows.find((one) => one.endpoint === endpoint.id)?.count).toBe(4);
    expect((await claim()).leased).toEqual([]);
    const [ended = ''] = (
      await bench.pool.query<{ id: string }>(
        'SELECT id FROM webhook_deliveries WHERE id = ANY($1) AND endpoint IS NULL',
        [first],
      )
    ).rows.map(({ id }) => id);
    await bench.pool.query(`SELECT end_webhook($1, 'failed', 'exhausted')`, [ended]);
    expect((await claim()).leased).toHaveLength(1);
  });

  test('a claim of many steps through every receiver, and takes up where it had to end', async () => {
    const endpoints = [await bench.addEndpoint(), await bench.addEndpoint(), await bench.addEndpoint()];
    await bench.pool.query(`UPDATE webhook_deliveries SET state = 'dropped', ended_at = now() WHERE ended_at IS NULL`);
    for (let count = 0; count < 8; count += 1) await bench.failJob();
    const seen: string[] = [];
    let after = '';
    for (let claims = 0; claims < 50; claims += 1) {
      const { leased, next } = await claimDeliveries(bench.pool, { count: 3, after, most: 4 });
      seen.push(...leased.map(({ id }) => id));
      expect(leased.length).toBeLessThanOrEqual(3);
      if (next === null) break;
      after = next;
    }
    const { rows } = await bench.pool.query<{ endpoint: string; count: number }>(
      'SELECT endpoint, count(*)::int FROM webhook_deliveries WHERE id = ANY($1) GROUP BY 1',
      [seen],
    );
    for (const { id } of endpoints) expect(rows.find((one) => one.endpoint === id)?.count).toBeLessThanOrEqual(4);
    expect(rows.filter(({ endpoint }) => endpoints.some(({ id }) => id === endpoint)).length).toBe(3);
  });
});

test('deliveries are forgotten with their logs once they are old, but for those that are open', async () => {
  const endpoint = await bench.addEndpoint();
  const old = await deliveryTo(endpoint.id, await bench.failJob());
  const open = await deliveryTo(endpoint.id, await bench.failJob());
  await tryOnce(old.id);
  for (const { id } of [old, open]) await bench.age(id, 31 * 86_400);
  while ((await forgetDeliveries(bench.pool, { daysKept: limits.webhookDaysKept, count: 100 })) > 0);
  const { rows } = await bench.pool.query('SELECT id FROM webhook_deliveries WHERE id = ANY($1)', [[old.id, open.id]]);
  expect(rows).toEqual([{ id: open.id }]);
  expect((await bench.pool.query('SELECT 1 FROM webhook_tries WHERE delivery = $1', [old.id])).rows).toEqual([]);
});

test('what signs no more is forgotten, and so is trouble that is long over', async () => {
  const endpoint = await bench.addEndpoint();
  const rotation = { id: endpoint.id, tenant: 'default', secret: box.seal(newSecret(), endpoint.id) };
  await rotateEndpointSecret(bench.pool, { ...rotation, hoursOfPrevious: 24 });
  const kept = () =>
    bench.row('SELECT previous_secret IS NOT NULL AS kept FROM webhook_endpoints WHERE id = $1', endpoint.id);
  await forgetWebhookTraces(bench.pool, { daysKept: 30 });
  expect(await kept()).toEqual({ kept: true });
  await bench.pool.query(`UPDATE webhook_endpoints SET previous_until = now() WHERE id = $1`, [endpoint.id]);

  const waits = await bench.addEndpoint();
  await bench.failJob();
  await bench.pool.query(
    `INSERT INTO webhook_receivers (receiver, failing_since, last_failure_at)
     VALUES ('url_old', now(), now() - interval '31 days'), ('url_new', now(), now()), ($1, now(), now() - interval '31 days')`,
    [waits.id],
  );
  await forgetWebhookTraces(bench.pool, { daysKept: 30 });
  expect(await kept()).toEqual({ kept: false });
  const { rows } = await bench.pool.query(
    'SELECT receiver FROM webhook_receivers WHERE receiver = ANY($1) ORDER BY 1',
    [['url_old', 'url_new', waits.id]],
  );
  expect(rows).toEqual([{ receiver: 'url_new' }, { receiver: waits.id }]);
});
