import { createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startReceiver, type Received } from '../setup.ts';
import { startFal } from './setup.ts';

const keySetSchema = z.object({
  keys: z.tuple([z.object({ kty: z.string(), crv: z.string(), x: z.string() })]),
});

describe('a callback', () => {
  test('is the output, signed, and retried ten times', async () => {
    const { create, origin, counts } = await startFal({ timeScale: 0.000_001 });
    const receiver = await startReceiver(...Array.from({ length: 20 }, () => 500));
    const { request_id: id } = await create('a cat', receiver.url('a1'));
    const received = await receiver.wait(11);
    const isGenuine = await verifierOf(origin);
    for (const delivery of received) {
      expect(isGenuine(delivery)).toBe(true);
      expect(JSON.parse(delivery.body)).toEqual({
        request_id: id,
        gateway_request_id: id,
        status: 'OK',
        payload: {
          video: { url: `${origin}/outputs/${id}.mp4`, content_type: 'video/mp4', file_name: 'output.mp4' },
          seed: 42,
        },
      });
    }
    expect(await counts()).toMatchObject({ callbacks_sent: 11, callbacks_acknowledged: 0 });
  });

  test.each([
    ['moderation', { error: 'Invalid status code: 422', payload: { detail: [{ type: 'content_policy_violation' }] } }],
    ['failed', { error: 'Invalid status code: 500', payload: { error_type: 'runner_server_error' } }],
    ['stuck=1', { error: 'Invalid status code: 504', payload: { error_type: 'request_timeout' } }],
  ])('of %s carries the error’s body', async (marker, fields) => {
    const { create } = await startFal();
    const receiver = await startReceiver();
    await create(`[sim:${marker}]`, receiver.url('a1'));
    const [delivery] = await receiver.wait(1);
    expect(JSON.parse(delivery?.body ?? '')).toMatchObject({ status: 'ERROR', ...fields });
  });

  test('that is forged does not verify; the true one follows', async () => {
    const { create, origin } = await startFal();
    const receiver = await startReceiver(401);
    await create('[sim:callback-forged]', receiver.url('a1'));
    const received = await receiver.wait(2);
    expect(received.map(await verifierOf(origin))).toEqual([false, true]);
    expect(received.map(statusOf)).toEqual(['ERROR', 'OK']);
  });

  test.each([
    ['callback-out-of-order', ['OK', 'IN_PROGRESS']],
    ['callback-duplicated=3', ['OK', 'OK', 'OK']],
    ['callback-delayed=5', ['OK']],
    ['callback-early', ['OK']],
    ['callback-wrong-body=other-id', ['OK']],
    ['callback-wrong-body', [undefined]],
  ])('%s says %j, all genuine', async (marker, statuses) => {
    const { create, origin } = await startFal();
    const receiver = await startReceiver();
    const { request_id: id } = await create(`[sim:${marker}]`, receiver.url('a1'));
    const received = await receiver.wait(statuses.length);
    expect(received.map(statusOf)).toEqual(statuses);
    expect(received.map(await verifierOf(origin))).toEqual(statuses.map(() => true));
    expect(received.some(({ body }) => body.includes(id))).toBe(!marker.includes('wrong-body'));
  });

  test('that is lost is not sent', async () => {
    const { create, completed, counts } = await startFal();
    const receiver = await startReceiver();
    await completed((await create('[sim:callback-lost]', receiver.url('a1'))).status_url);
    expect(await counts()).toMatchObject({ callbacks_sent: 0 });
  });
});

/** Proves deliveries by what is published, asked for without a key. */
async function verifierOf(origin: string): Promise<(received: Received) => boolean> {
  const response = await fetch(`${origin}/fal/rest/.well-known/jwks.json`);
  const [jwk] = keySetSchema.parse(await response.json()).keys;
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return ({ headers, body }) => {
    const header = (name: string) => String(headers[`x-fal-webhook-${name}`]);
    const digest = createHash('sha256').update(body).digest('hex');
    const message = [header('request-id'), header('user-id'), header('timestamp'), digest].join('\n');
    return verify(null, Buffer.from(message), key, Buffer.from(header('signature'), 'hex'));
  };
}

function statusOf({ body }: Received): string | undefined {
  return /"status":"([A-Z_]+)"/.exec(body)?.[1];
}
