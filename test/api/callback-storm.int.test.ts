import { createHmac } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callbackKey, readCallback } from '../../src/providers/wavespeed/callback.ts';
import { type ApiBench, beginAttempt, openApiBench } from './api-bench.ts';

/** `reliability.md` §8.23 and 8.24, with the scheme of a real vendor. */
const secret = `whsec_${Buffer.from('a secret of callback storms').toString('base64')}`;
const token = 'unguessable-token_1';
let bench: ApiBench;
beforeAll(async () => {
  const key = callbackKey(secret);
  bench = await openApiBench({
    providers: new Map([['acme', { readCallback: async (delivery) => readCallback(delivery, key) }]]),
  });
});
afterAll(() => bench.close());

async function newAttempt(): Promise<string> {
  const id = `video_${uuidv7()}`;
  await bench.database.pool.query(
    `INSERT INTO jobs (id, tenant, model, route, priority, queue_deadline) VALUES ($1, 'default', 'm', '[]', 1, now() + '1 h')`,
    [id],
  );
  await beginAttempt(bench, id, token);
  return id;
}

interface Delivery {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

function delivery(operation: string, secondsOff = 0): Delivery {
  const body = JSON.stringify({ id: operation, status: 'completed', outputs: ['https://acme.test/v.mp4'] });
  const timestamp = String(Math.floor(Date.now() / 1_000) + secondsOff);
  const mac = createHmac('sha256', callbackKey(secret) ?? '').update(`${operation}.${timestamp}.${body}`);
  const signature = `v3,${mac.digest('hex')}`;
  return {
    body,
    headers: { 'webhook-id': operation, 'webhook-timestamp': timestamp, 'webhook-signature': signature },
  };
}

async function deliver(id: string, { body, headers }: Delivery): Promise<number> {
  const url = `${bench.url}/v1/callbacks/acme/${id}.1/${token}`;
  return (await fetch(url, { method: 'POST', body, headers: { ...headers } })).status;
}

async function stateOf(id: string) {
  const { rows } = await bench.database.pool.query(
    `SELECT (SELECT outcome FROM attempts WHERE job = $1) AS outcome,
            (SELECT count(*)::int FROM job_events WHERE job = $1 AND kind = 'attempt.ended') AS ends,
            (SELECT count(*)::int FROM mailbox WHERE job = $1 AND kind = 'callback') AS letters`,
    [id],
  );
  return rows[0];
}

test('a callback that comes a hundred times at once is taken each time, and changes one thing once', async () => {
  const id = await newAttempt();
  const one = delivery(`task-${id}`);
  // On a machine that is busy some wait too long for the row. They are told to come again, as vendors do by themselves.
  const untilTaken = async (): Promise<number> => {
    const status = await deliver(id, one);
    return status === 503 ? await untilTaken() : status;
  };
  const statuses = await Promise.all(Array.from({ length: 100 }, untilTaken));
  expect(new Set(statuses)).toEqual(new Set([204]));
  expect(await stateOf(id)).toEqual({ outcome: 'finished', ends: 1, letters: 1 });
});

const forgeries: Readonly<Record<string, (sound: Delivery) => Delivery>> = {
  'a changed byte': ({ body, headers }) => ({ body: body.replace('v.mp4', 'w.mp4'), headers }),
  'another id': ({ body, headers }) => ({ body, headers: { ...headers, 'webhook-id': 'task-other' } }),
  'the version v0': ({ body, headers }) => signed({ body, headers }, (signature) => signature.replace('v3', 'v0')),
  'an empty signature': ({ body, headers }) => signed({ body, headers }, () => ''),
  'no signature': ({ body }) => ({ body, headers: {} }),
  '200 signatures': ({ body, headers }) =>
    signed({ body, headers }, () => Array.from({ length: 200 }, () => `v3,${'0'.repeat(64)}`).join(' ')),
  'a time that was five minutes ago': () => delivery('task-old', -301),
  'a time that is five minutes ahead': () => delivery('task-new', 302),
};

function signed({ body, headers }: Delivery, change: (signature: string) => string): Delivery {
  return { body, headers: { ...headers, 'webhook-signature': change(headers['webhook-signature'] ?? '') } };
}

test.each(Object.entries(forgeries))('a callback with %s is a 401, and changes nothing', async (_name, forge) => {
  const id = await newAttempt();
  const statuses = await Promise.all(Array.from({ length: 20 }, () => deliver(id, forge(delivery(`task-${id}`)))));
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(await stateOf(id)).toEqual({ outcome: null, ends: 0, letters: 0 });
});
