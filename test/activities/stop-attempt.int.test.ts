import { afterAll, beforeAll, expect, test } from 'vitest';
import { failureOf } from '../../src/domain/failure.ts';
import { type Progress, ProviderUnreachableError, type VideoProvider } from '../../src/providers/provider.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { type ActivityBench, openActivityBench } from './activity-bench.ts';

let bench: ActivityBench;
beforeAll(async () => {
  bench = await openActivityBench();
});
afterAll(async () => await bench.close());

const away = createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey: 'any' });
const unreachable = new ProviderUnreachableError(failureOf('unreachable'));

/** A vendor that can stop, answers so, and says this when it is asked afterwards. */
function vendor(confirms: boolean, says: Progress | Error): { provider: VideoProvider; calls: string[] } {
  const calls: string[] = [];
  const provider: VideoProvider = {
    ...away,
    cancelMeans: 'stops',
    cancel: async () => {
      calls.push('cancel');
      return confirms;
    },
    check: async () => {
      calls.push('check');
      if (says instanceof Error) throw says;
      return says;
    },
  };
  return { provider, calls };
}

const stopped: Progress = { kind: 'failed', failure: failureOf('provider_failed', { retry: 'elsewhere' }) };
const finished: Progress = { kind: 'finished', video: { url: 'https://cdn.vendor.example/v.mp4' } };

interface Case {
  readonly what: string;
  readonly confirms: boolean;
  readonly says: Progress | Error;
  readonly evidence: 'stop' | 'check' | null;
}

const cases: readonly Case[] = [
  { what: 'has ended by it', confirms: true, says: stopped, evidence: 'stop' },
  { what: 'was done before', confirms: true, says: finished, evidence: 'check' },
  { what: 'has only taken our word', confirms: true, says: { kind: 'running' }, evidence: null },
  { what: 'answers no more', confirms: true, says: unreachable, evidence: null },
  { what: 'refuses', confirms: false, says: stopped, evidence: null },
];

test.each(cases)('a vendor that $what', async ({ confirms, says, evidence }) => {
  const order = await bench.orderOne();
  await bench.run.submitAttempt(order);
  const { provider, calls } = vendor(confirms, says);
  await bench.run.stopAttempt({ jobId: order.jobId, attempt: 1 }, { providers: new Map([['wavespeed', provider]]) });
  expect(calls).toEqual(confirms ? ['cancel', 'check'] : ['cancel']);
  expect(await bench.attemptOf(order)).toMatchObject({ evidence });
  // The slot is free exactly when the vendor has ended.
  expect(await bench.rowsOf('permits', order)).toHaveLength(evidence === null ? 1 : 0);
});

test('what has ended is not stopped again', async () => {
  const order = await bench.orderOne();
  await bench.run.submitAttempt(order);
  const { provider, calls } = vendor(true, stopped);
  const providers = new Map([['wavespeed', provider]]);
  await bench.run.stopAttempt({ jobId: order.jobId, attempt: 1 }, { providers });
  await bench.run.stopAttempt({ jobId: order.jobId, attempt: 1 }, { providers });
  expect(calls).toEqual(['cancel', 'check']);
});
