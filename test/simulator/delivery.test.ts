import { expect, test } from 'vitest';
import { planDeliveries } from '../../src/simulator/delivery.ts';
import type { Fault } from '../../src/simulator/fault.ts';
import { callbackData } from '../../src/simulator/wavespeed/wire.ts';
import { ended, type Ending, type Prediction } from '../../src/simulator/prediction.ts';

function setup(faults: readonly Fault[], ending: Ending = { kind: 'completed' }): Prediction {
  const created: Prediction = {
    id: 'abc',
    vendor: 'wavespeed',
    model: 'alibaba/wan-2.6/text-to-video',
    input: { prompt: 'a cat' },
    origin: 'http://vendor',
    baseUrl: 'http://vendor/wavespeed',
    keptMs: 1_000,
    faults,
    priceUsdMicros: 500_000,
    createdAtMs: 0,
    status: 'created',
    deleted: false,
  };
  return ended(created, ending, 1_000);
}

function bodies(faults: readonly Fault[], ending?: Ending) {
  return planDeliveries(setup(faults, ending), callbackData).map(({ body }) => JSON.parse(body) as unknown);
}

test('a callback is the flat prediction, with outputs only when completed', () => {
  expect(bodies([])).toEqual([
    {
      id: 'abc',
      model: 'alibaba/wan-2.6/text-to-video',
      input: { prompt: 'a cat' },
      outputs: ['http://vendor/outputs/abc.mp4'],
      urls: { get: 'http://vendor/wavespeed/api/v3/predictions/abc/result' },
      has_nsfw_contents: [false],
      status: 'completed',
      created_at: '1970-01-01T00:00:00.000Z',
      error: '',
      code: 0,
      timings: { inference: 0 },
      executionTime: 0,
    },
  ]);
  const [failed] = bodies([], { kind: 'failed', code: 1405, message: 'No.' });
  expect(failed).toMatchObject({ status: 'failed', error: 'No.', code: 1405 });
  expect(failed).not.toHaveProperty('outputs');
});

test('nothing is sent for a lost callback, a vendor’s timeout, or a forgotten prediction', () => {
  expect(bodies([{ kind: 'callback-lost' }])).toEqual([]);
  expect(bodies([], { kind: 'timeout' })).toEqual([]);
  expect(planDeliveries({ ...setup([]), deleted: true }, callbackData)).toEqual([]);
});

test('copies and delay go with the delivery', () => {
  const faults: Fault[] = [
    { kind: 'callback-duplicated', copies: 3 },
    { kind: 'callback-delayed', delayMs: 50 },
  ];
  expect(planDeliveries(setup(faults), callbackData)).toMatchObject([{ copies: 3, waitMs: 50, signature: 'true' }]);
});

test('a straggler follows the end', () => {
  expect(bodies([{ kind: 'callback-out-of-order' }])).toMatchObject([
    { status: 'completed' },
    { status: 'processing', error: '' },
  ]);
});

test('a forgery claims the opposite, first or alone', () => {
  expect(
    planDeliveries(setup([{ kind: 'callback-forged', order: 'first' }]), callbackData).map(
      ({ signature }) => signature,
    ),
  ).toEqual(['forged', 'true']);
  expect(bodies([{ kind: 'callback-forged', order: 'first' }])).toMatchObject([
    { status: 'failed' },
    { status: 'completed' },
  ]);
  expect(
    bodies([{ kind: 'callback-forged', order: 'only' }], { kind: 'failed', code: 1405, message: 'No.' }),
  ).toMatchObject([{ status: 'completed', outputs: ['https://forged.invalid/outputs/abc.mp4'] }]);
});

test('a wrong body is no JSON, or another’s', () => {
  const [notJson] = planDeliveries(setup([{ kind: 'callback-wrong-body', body: 'not-json' }]), callbackData);
  expect(notJson).toMatchObject({ id: 'abc', body: expect.stringContaining('<html>'), signature: 'true' });
  expect(bodies([{ kind: 'callback-wrong-body', body: 'other-id' }])).toMatchObject([
    { id: 'cba', status: 'completed' },
  ]);
});
