import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startReceiver, startSimulator, wan } from './setup.ts';

const predictionsSchema = z.array(z.object({ id: z.string(), input: z.object({ prompt: z.string() }) }));

describe('an output', () => {
  test('is an MP4, whole or in ranges', async () => {
    const { create, origin } = await startSimulator();
    const receiver = await startReceiver();
    const id = await create('a cat', receiver.url('a1'));
    await receiver.wait(1);
    const whole = await fetch(`${origin}/outputs/${id}.mp4`);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    expect(whole.headers.get('content-length')).toBe(String(bytes.length));
    const part = await fetch(`${origin}/outputs/${id}.mp4`, { headers: { range: 'bytes=4-7' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 4-7/${bytes.length}`);
    expect(await part.text()).toBe('ftyp');
    expect((await fetch(`${origin}/outputs/${id}.mp4`, { headers: { range: 'bytes=9999999-' } })).status).toBe(416);
    expect((await fetch(`${origin}/outputs/${id}.mp4`, { method: 'HEAD' })).headers.get('content-length')).toBe(
      String(bytes.length),
    );
  });

  test.each(['[sim:stuck]', '[sim:output-404][sim:callback-early]'])('is missing for %s', async (prompt) => {
    const { create, origin } = await startSimulator();
    expect((await fetch(`${origin}/outputs/${await create(prompt)}.mp4`)).status).toBe(404);
  });
});

describe('control', () => {
  test('counts submits per callback URL, also those turned away', async () => {
    const { json, submit } = await startSimulator();
    const receiver = await startReceiver();
    await submit('[sim:submit-500-before*1][sim:stuck]', receiver.url('a1'));
    await submit('[sim:submit-500-before*1][sim:stuck]', receiver.url('a1'));
    expect(await json('GET', '/control/submits')).toMatchObject([{ correlation: 'a1', submits: 2, created: 1 }]);
    expect(await json('GET', '/control/predictions')).toMatchObject([
      { correlation: 'a1', webhook: receiver.url('a1'), status: expect.any(String) },
    ]);
    expect(await json('GET', '/control/counts')).toMatchObject({
      submits: 2,
      created: 1,
      outstanding_max: 1,
      submits_per_webhook_max: 2,
      rejected: { 'submit-500-before': 1 },
      by_model: { [wan]: { submits: 2, created: 1 } },
    });
  });

  test('replaces the fault plan, and refuses a bad one', async () => {
    const { call, json, submit } = await startSimulator({ faults: [{ share: 1, fault: { kind: 'submit-refused' } }] });
    expect((await submit('a cat')).status).toBe(400);
    expect(await json('POST', '/control/faults', [{ share: 1, fault: { kind: 'submit-429' } }])).toMatchObject({
      rules: [{ fault: { retryAfterSeconds: 1 } }],
    });
    expect((await submit('a cat')).status).toBe(429);
    expect((await call('POST', '/control/faults', [{ share: 2, fault: { kind: 'unheard-of' } }])).status).toBe(400);
  });

  test('ends a stuck prediction, once, and its callback has arrived by then', async () => {
    const { call, create, json } = await startSimulator();
    const receiver = await startReceiver();
    const id = await create('[sim:stuck]', receiver.url('a1'));
    expect(await json('POST', `/control/finish/${id}`, { status: 'failed' })).toMatchObject({ id, status: 'failed' });
    expect(receiver.received).toHaveLength(1);
    expect((await call('POST', `/control/finish/${id}`)).status).toBe(409);
    expect((await call('POST', '/control/finish/unknown')).status).toBe(404);
  });

  test('resets everything but the ids already given away', async () => {
    const { call, create, json } = await startSimulator();
    const before = await create('[sim:stuck]');
    await json('POST', '/control/reset');
    expect(await json('GET', '/control/counts')).toMatchObject({ submits: 0, outstanding: 0, outstanding_max: 0 });
    expect((await call('GET', `/wavespeed/api/v3/predictions/${before}`)).status).toBe(404);
    expect(await create('[sim:stuck]')).not.toBe(before);
  });
});

test('the same seed gives the same ids and faults', async () => {
  expect(await runSeeded(5)).toEqual(await runSeeded(5));
  expect(await runSeeded(5)).not.toEqual(await runSeeded(6));
});

async function runSeeded(seed: number) {
  const { json, submit } = await startSimulator({ seed, faults: [{ share: 0.5, fault: { kind: 'submit-refused' } }] });
  for (let count = 0; count < 12; count++) await submit(`[sim:stuck] ${count}`);
  const predictions = predictionsSchema.parse(await json('GET', '/control/predictions'));
  return predictions.map(({ id, input }) => [id, input.prompt]);
}

test('closing with jobs under way, hanging requests and open sockets is quick', async () => {
  const { close, submit } = await startSimulator({ timeScale: 1 });
  const hanging = submit('[sim:submit-hang-after]').catch((error: unknown) => error);
  await submit('a cat');
  await close();
  expect(await hanging).toBeInstanceOf(TypeError);
});
