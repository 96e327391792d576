import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import type { SimulatorOptions } from '../../src/simulator/options.ts';
import { wavespeed } from '../../src/simulator/wavespeed/vendor.ts';
import { queueingVendor } from './queueing-vendor.ts';
import { secret, startReceiver, startSimulator, wan } from './setup.ts';

const taskSchema = z.object({ id: z.string(), url: z.url() });
const waiting = 'created';

/** WaveSpeed, and beside it a vendor that lets one run and the others wait. */
async function setup(overrides: Partial<SimulatorOptions> = {}) {
  const simulator = await startSimulator(overrides, [wavespeed, queueingVendor]);
  const ask = (method: string, path: string, body?: unknown) =>
    fetch(`${simulator.origin}/runway${path}`, {
      method,
      headers: { authorization: 'Key key' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const order = async (promptText: string, webhook?: string) => {
    const response = await ask('POST', `/gen${webhook ? `?hook=${encodeURIComponent(webhook)}` : ''}`, { promptText });
    return taskSchema.parse(await response.json());
  };
  const task = async (id: string): Promise<unknown> => (await ask('GET', `/tasks/${id}`)).json();
  const counts = (): Promise<unknown> => simulator.json('GET', '/control/counts');
  return { ...simulator, ask, order, task, counts };
}

describe('two vendors', () => {
  test('have limits, keys, money and ids of their own', async () => {
    const { submit, ask, order, origin, json } = await setup({
      vendors: { wavespeed: { tier: { outstanding: 1, perMinute: 100 }, balanceUsd: 1 }, runway: { balanceUsd: 7 } },
    });
    const first = await submit('[sim:stuck]');
    expect([first.status, (await submit('a cat')).status]).toEqual([200, 429]);
    const { id, url } = await order('[sim:stuck]');
    expect(url).toBe(`${origin}/runway/tasks/${id}`);
    expect(await first.text()).not.toContain(id);
    expect(await json('GET', '/wavespeed/api/v3/balance')).toMatchObject({ data: { balance: 0.5 } });
    expect((await fetch(url, { headers: { authorization: 'Bearer key' } })).status).toBe(401);
    expect((await ask('GET', `/tasks/${id}`)).status).toBe(200);
  });

  test('do not know of each other’s predictions', async () => {
    const { create, ask } = await setup();
    expect((await ask('GET', `/tasks/${await create('[sim:stuck]')}`)).status).toBe(404);
  });

  test('answer errors each in its own shape, also when a route breaks', async () => {
    const { ask, call, origin } = await setup();
    expect(await (await ask('GET', '/nowhere')).json()).toEqual({ fault: 'route' });
    expect(await (await call('GET', '/wavespeed/nowhere')).json()).toMatchObject({ code: 404 });
    const broken = await ask('GET', '/broken');
    expect([broken.status, await broken.json()]).toEqual([500, { fault: 'ours' }]);
    expect((await fetch(`${origin}/api/v3/balance`)).status).toBe(404);
  });

  test('add up in the control’s counts, and can be told apart', async () => {
    const { submit, order, counts, json } = await setup();
    await submit('[sim:stuck]');
    await submit('[sim:submit-refused]');
    await order('[sim:stuck]', 'http://127.0.0.1:9/a1/token');
    expect(await counts()).toMatchObject({
      submits: 3,
      created: 2,
      billed_usd: 1.5,
      outstanding: 2,
      submits_per_webhook_max: 1,
      rejected: { 'submit-refused': 1 },
      by_model: { [wan]: { submits: 2 }, gen: { submits: 1 } },
      by_vendor: {
        wavespeed: { submits: 2, billed_usd: 0.5, by_model: { [wan]: { created: 1 } } },
        runway: { submits: 1, billed_usd: 1, rejected: {} },
      },
    });
    expect(await json('GET', '/control/predictions')).toMatchObject([{ vendor: 'wavespeed' }, { vendor: 'runway' }]);
    expect(await json('GET', '/control/submits')).toMatchObject([{ vendor: 'runway', correlation: 'a1', created: 1 }]);
    await json('POST', '/control/reset');
    expect(await counts()).toMatchObject({ submits: 0, by_vendor: { runway: { submits: 0 } } });
  });

  test('meet faults that name a vendor apart, and those that do not together', async () => {
    const { submit, ask, json } = await setup();
    const both = async (text: string) => [
      (await submit(text)).status,
      (await ask('POST', '/gen', { promptText: text })).status,
    ];
    expect(await both('[sim:submit-500-before@runway]')).toEqual([200, 500]);
    expect(await both('[sim:submit-500-before@wavespeed/alibaba]')).toEqual([500, 202]);
    await json('POST', '/control/faults', [{ vendor: 'runway', share: 1, fault: { kind: 'no-credit' } }]);
    expect(await both('a cat')).toEqual([200, 402]);
    await json('POST', '/control/faults', [{ share: 1, fault: { kind: 'submit-429' } }]);
    expect(await both('a cat')).toEqual([429, 429]);
  });

  test('sign their callbacks each in its own way', async () => {
    const { order } = await setup();
    const receiver = await startReceiver(401);
    const { id } = await order('[sim:callback-forged]', receiver.url('a1'));
    const received = await receiver.wait(2);
    const signatures = received.map(({ headers }) => headers['x-signature']);
    expect(signatures).toEqual([expect.not.stringContaining(secret), `${id} ${secret}`]);
    expect(received.map(({ body }): unknown => JSON.parse(body))).toEqual([
      { task: id, status: 'failed' },
      { task: id, status: 'completed' },
    ]);
  });
});

describe('over the limit, where the vendor lets wait', () => {
  test('a prediction is created, billed, and starts when a slot is free', async () => {
    const { order, task, counts, json } = await setup();
    const [first, second, third] = [await order('[sim:stuck]'), await order('[sim:stuck]'), await order('[sim:stuck]')];
    await vi.waitFor(async () => expect(await task(first.id)).toEqual({ status: 'processing' }));
    expect(await task(second.id)).toEqual({ status: waiting, position: 0 });
    expect(await task(third.id)).toEqual({ status: waiting, position: 1 });
    expect(await counts()).toMatchObject({ created: 3, outstanding: 3, rejected: {} });
    await json('POST', `/control/finish/${first.id}`);
    await vi.waitFor(async () => expect(await task(second.id)).toEqual({ status: 'processing' }));
    expect(await task(third.id)).toEqual({ status: waiting, position: 0 });
  });

  test('one that is cancelled while it waits never starts, and its slot goes to the next', async () => {
    const { ask, order, task, json } = await setup();
    const [first, second, third] = [await order('[sim:stuck]'), await order('[sim:stuck]'), await order('[sim:stuck]')];
    await ask('PUT', `/tasks/${second.id}/cancel`);
    await json('POST', `/control/finish/${first.id}`);
    await vi.waitFor(async () => expect(await task(third.id)).toMatchObject({ status: 'processing' }));
    expect(await task(second.id)).toMatchObject({ status: 'cancelled' });
  });
});

describe('a cancel', () => {
  test('stops the job, and bills it only where the vendor does', async () => {
    const { ask, order, task, counts } = await setup();
    const receiver = await startReceiver();
    const [running, queued] = [await order('[sim:stuck]', receiver.url('a1')), await order('[sim:stuck]')];
    await vi.waitFor(async () => expect(await task(running.id)).toEqual({ status: 'processing' }));
    expect((await ask('PUT', `/tasks/${queued.id}/cancel`)).status).toBe(202);
    expect(await counts()).toMatchObject({ outstanding: 1, billed_usd: 2, refunded: 1, refunded_usd: 1 });
    expect((await ask('PUT', `/tasks/${running.id}/cancel`)).status).toBe(202);
    expect(await counts()).toMatchObject({
      outstanding: 0,
      refunded: 1,
      by_model: { gen: { cancelled: 2, failed: 0 } },
    });
    expect((await receiver.wait(1)).map(({ body }): unknown => JSON.parse(body))).toEqual([
      { task: running.id, status: 'cancelled' },
    ]);
    expect((await ask('PUT', `/tasks/${running.id}/cancel`)).status).toBe(400);
  });

  test('can be played from outside, for any vendor', async () => {
    const { create, order, counts, json } = await setup({ timeScale: 1 });
    for (const id of [(await order('[sim:stuck]')).id, await create('[sim:stuck]')]) {
      expect(await json('POST', `/control/finish/${id}`, { status: 'cancelled' })).toMatchObject({
        id,
        status: 'cancelled',
      });
    }
    expect(await counts()).toMatchObject({ outstanding: 0, refunded: 2 });
  });
});

describe('outputs and data', () => {
  test('are there for the vendor’s time, scaled, and gone after it', async () => {
    const { order, task, json, origin } = await setup({ vendors: { runway: { timeScale: 1 } } });
    const { id } = await order('[sim:stuck]');
    await json('POST', `/control/finish/${id}`);
    const output = `${origin}/outputs/${id}.mp4`;
    expect(await task(id)).toEqual({ status: 'completed', output });
    expect((await fetch(output)).status).toBe(200);
    await vi.waitFor(async () => expect(await task(id)).toEqual({ status: 'completed', removed: true }), 5_000);
    expect((await fetch(output)).status).toBe(404);
  });

  test('are gone at the end itself when the fault says so', async () => {
    const { create, order, task, call, json, origin } = await setup({ timeScale: 1 });
    const ids = [await create('[sim:stuck][sim:data-removed]'), (await order('[sim:stuck][sim:data-removed]')).id];
    const [first = '', second = ''] = ids;
    expect((await call('GET', `/wavespeed/api/v3/predictions/${first}/result`)).status).toBe(200);
    for (const id of ids) await json('POST', `/control/finish/${id}`);
    expect((await call('GET', `/wavespeed/api/v3/predictions/${first}/result`)).status).toBe(404);
    expect(await json('POST', '/wavespeed/api/v3/predictions', {})).toMatchObject({ data: { total: 0 } });
    expect(await task(second)).toEqual({ status: 'completed', removed: true });
    for (const id of ids) expect((await fetch(`${origin}/outputs/${id}.mp4`)).status).toBe(404);
  });
});
