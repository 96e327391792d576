import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { type Received, type Receiver, startReceiver, status } from '../webhooks/receiver.ts';

const stack = useStack(() => ({
  env: { WEBHOOK_ALLOW_PRIVATE: 'true', ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}` },
}));
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
});

interface Told {
  readonly type: string;
  readonly data: { readonly id: string; readonly status: string; readonly outputs: readonly { url: string }[] };
}

function verified({ headers, body }: Received, secret: string): Told {
  const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  const told: unknown = new Webhook(secret).verify(body, signed);
  return Object.assign({ type: '', data: { id: '', status: '', outputs: [] } }, told);
}

async function endpointAt(url: string): Promise<{ readonly id: string; readonly secret: string }> {
  const response = await fetch(`${stack.url}/v1/webhook_endpoints`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url }),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(text);
  return JSON.parse(text);
}

test('a subscriber is told of the beginning and the end of a video, and can fetch it', async () => {
  const { secret } = await endpointAt(`${receiver.origin}/all`);
  const { id } = await stack.accept({ prompt: 'a fox', seconds: 5 });
  await stack.untilFinal(id);
  const told = await until('both are told', () => receiver.at('/all').length >= 2 && receiver.at('/all'));
  const events = told.map((received) => verified(received, secret));
  expect(events.map(({ type }) => type).toSorted()).toEqual(['video.completed', 'video.in_progress']);
  const completed = events.find(({ type }) => type === 'video.completed');
  expect(completed?.data).toMatchObject({ id, status: 'completed' });
  const video = await fetch(completed?.data.outputs[0]?.url ?? '');
  expect([video.status, video.headers.get('content-type')]).toEqual([200, 'video/mp4']);
});

test('a subscriber that fails at first is told five seconds later, by a workflow', async () => {
  await endpointAt(`${receiver.origin}/later`);
  receiver.answer('/later', (response, received) => {
    const isFirst =
      receiver.at('/later').filter(({ headers }) => headers['webhook-id'] === received.headers['webhook-id']).length <
      2;
    if (isFirst) status(500)(response, received);
    else response.writeHead(204).end();
  });
  const { id } = await stack.accept({ prompt: 'a fox', seconds: 5 });
  await stack.untilFinal(id);
  await until('everything is told', async () => {
    const { rows } = await stack.pool.query(
      `SELECT count(*)::int AS count FROM webhook_deliveries WHERE job = $1 AND state = 'delivered' AND tries = 2`,
      [id],
    );
    return rows[0]?.count === 2;
  });
  const { count } = await stack.temporal.workflow.count(`WorkflowType = 'deliverWebhook'`);
  expect(count).toBeGreaterThanOrEqual(2);
});
