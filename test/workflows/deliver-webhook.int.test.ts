import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';
import type { TryWebhookAnswer } from '../../src/contracts/deliver-webhook.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { webhookDelaysMs } from '../../src/domain/webhook.ts';
import { bundleWorkflows } from './bundle.ts';
import { playDelivery, recordedAnswers } from './record-deliver-webhook.ts';
import { historiesOf, unreleased } from './releases.ts';
import { eventNamesOf } from './stage.ts';

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  bundle = await bundleWorkflows();
});

const again = (delayMs: number): TryWebhookAnswer => ({ kind: 'again', delayMs });

test('tries when Postgres says, over three days, and ends with what Postgres says', async () => {
  const delays = webhookDelaysMs.slice(2);
  const { result, askedAtMs } = await playDelivery(bundle, [...delays.map(again), { kind: 'over', state: 'failed' }]);
  expect(result).toEqual({ state: 'failed' });
  expect(askedAtMs).toHaveLength(9);
  let dueMs = 5_000;
  for (const [index, askedMs] of askedAtMs.entries()) {
    expect(askedMs).toBeGreaterThanOrEqual(dueMs);
    expect(askedMs).toBeLessThan(dueMs + 60_000);
    dueMs = askedMs + (delays[index] ?? 0);
  }
});

test('an activity that fails, or finds no room, is repeated and does not end the delivery', async () => {
  const noRoom = ApplicationFailure.create({ type: 'NoRoom', nextRetryDelay: '10m' });
  const { result, askedAtMs } = await playDelivery(bundle, [noRoom, noRoom, { kind: 'over', state: 'delivered' }]);
  expect(result).toEqual({ state: 'delivered' });
  expect(askedAtMs.at(-1)).toBeGreaterThanOrEqual(1_200_000);
});

test('a delivery that never comes to an end is left to the relay', async () => {
  const { result, askedAtMs } = await playDelivery(bundle, [again(1_000)]);
  expect(result).toEqual({ state: 'retrying' });
  expect(askedAtMs).toHaveLength(limits.webhookRoundsMax);
});

test('the kept history is what the workflow does today, event by event', async () => {
  const kept = await readFile(join(historiesOf(unreleased), 'deliver-webhook.json'), 'utf8');
  const { history } = await playDelivery(bundle, recordedAnswers);
  expect(eventNamesOf(kept)).toEqual(eventNamesOf(history));
});
