import { buffer } from 'node:stream/consumers';

import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';

import { createVideoOpener } from '../../../src/providers/video.ts';
import type { CallbackDelivery, StartOrder } from '../../../src/providers/provider.ts';
import { createWaveSpeedProvider } from '../../../src/providers/wavespeed/provider.ts';
import { createSimulator } from '../../../src/simulator/simulator.ts';
import { exerciseProvider, type ProviderBench, type Scenario } from '../../conformance/provider.ts';
import { deadOrigin, serve } from '../stub-vendor.ts';

const apiKey = 'simulated-key';
const webhookSecret = 'whsec_c2ltdWxhdGVk';
const model = 'alibaba/wan-2.6/text-to-video';

const markers: Readonly<Record<Scenario, string>> = {
  plain: '',
  rate_limited: '[sim:submit-429=2]',
  invalid: '[sim:submit-refused]',
  no_credit: '[sim:no-credit]',
  error_before: '[sim:submit-500-before]',
  error_after: '[sim:submit-500-after]',
  reset_before: '[sim:submit-reset-before]',
  reset_after: '[sim:submit-reset-after]',
  hang_after: '[sim:submit-hang-after]',
};

describe('wavespeed', () => {
  exerciseProvider(makeBench);

  test('the video of a finished operation can be opened', async () => {
    const bench = await makeBench();
    const outcome = await bench.provider.start(bench.order('plain'));
    if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
    await bench.finish(outcome.operation, 'completed');
    const progress = await bench.provider.check(outcome.operation);
    if (progress.kind !== 'finished') throw new Error(progress.kind);
    const open = createVideoOpener({ ownOrigin: bench.origin, allowLoopbackHttp: true });
    const video = await open({ url: progress.video.url, range: 'bytes=4-7' });
    expect([video.status, video.headers['content-type']]).toEqual([206, 'video/mp4']);
    expect((await buffer(video.body)).toString()).toBe('ftyp');
  });
});

async function makeBench(): Promise<ProviderBench & { origin: string }> {
  const simulator = createSimulator({ seed: 1, apiKey, webhookSecret, tier: 'gold', timeScale: 1 });
  const { origin, close } = await simulator.listen();
  onTestFinished(close);
  const { callbackUrl, deliveries } = await receiveCallbacks();
  const timeouts = { startMs: 300 };
  return {
    origin,
    deliveries,
    provider: createWaveSpeedProvider({ origin, apiKey, webhookSecret, timeouts }),
    unreachable: createWaveSpeedProvider({ origin: await deadOrigin(), apiKey, timeouts }),
    order: (scenario, seed = 5) => orderOf(scenario, { seed, callbackUrl }),
    finish: async (operation, ending) => {
      const wish = { status: ending === 'completed' ? 'completed' : 'failed', code: ending === 'failed' ? 1405 : 1200 };
      const body = JSON.stringify(wish);
      const response = await fetch(`${origin}/control/finish/${operation}`, { method: 'POST', body });
      expect(response.status).toBe(200);
    },
    ordersSeen: async () => {
      const response = await fetch(`${origin}/control/counts`);
      return countsSchema.parse(await response.json()).submits;
    },
  };
}

function orderOf(scenario: Scenario, own: { seed: number; callbackUrl: string }): StartOrder {
  const prompt = `a lighthouse ${markers[scenario]}`;
  return { model, input: { prompt, duration: 5, seed: own.seed }, callbackUrl: own.callbackUrl };
}

async function receiveCallbacks() {
  const deliveries: CallbackDelivery[] = [];
  const origin = await serve(async (request, response) => {
    const rawBody = await buffer(request);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    deliveries.push({ headers, rawBody, now: Date.now() });
    response.writeHead(204).end();
  });
  return { deliveries, callbackUrl: `${origin}/v1/callbacks/wavespeed/attempt_1/token` };
}

const countsSchema = z.object({ submits: z.number() });
