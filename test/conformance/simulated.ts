import { buffer } from 'node:stream/consumers';

import { expect, onTestFinished } from 'vitest';
import { z } from 'zod';

import type { CallbackDelivery, StartOrder, VideoProvider } from '../../src/providers/provider.ts';
import type { ProviderSettings } from '../../src/providers/settings.ts';
import { createSimulator } from '../../src/simulator/simulator.ts';
import { deadOrigin, serve } from '../providers/stub-vendor.ts';
import type { ProviderBench, Scenario } from './provider.ts';

/** What the suite needs to know of a vendor to play its conversations over HTTP against the simulator. */
export interface SimulatedVendorUnderTest {
  /** The adapter's name, and the simulator's prefix. */
  readonly kind: string;
  readonly create: (settings: ProviderSettings) => VideoProvider;
  readonly model: string;
  /** A sound request in the vendor's words; `seed` only where the vendor lists by it. */
  readonly input: (prompt: string, seed: number) => Readonly<Record<string, unknown>>;
  /** Further URLs of the vendor's own, by their path behind the simulator's prefix. */
  readonly otherPaths?: Readonly<Record<string, string>>;
}

export interface SimulatedBench extends ProviderBench {
  readonly origin: string;
  readonly settings: ProviderSettings;
}

const apiKey = 'simulated-key';
const webhookSecret = 'whsec_c2ltdWxhdGVk';
const timeouts = { startMs: 300 };

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
  data_removed: '[sim:data-removed]',
};

/** One simulator, one adapter, one receiver of callbacks; all of them end with the test. */
export async function makeSimulatedBench(vendor: SimulatedVendorUnderTest): Promise<SimulatedBench> {
  const simulator = createSimulator({ seed: 1, apiKey, webhookSecret, tier: 'gold', timeScale: 1 });
  const { origin, close } = await simulator.listen();
  onTestFinished(close);
  const { callbackUrl, deliveries } = await receiveCallbacks(vendor.kind);
  const settings = settingsAt(origin, vendor);
  return {
    origin,
    settings,
    deliveries,
    provider: vendor.create(settings),
    stranger: vendor.create({ ...settings, apiKey: 'the-key-of-nobody' }),
    unreachable: vendor.create(settingsAt(await deadOrigin(), vendor)),
    order: (scenario, seed = 5): StartOrder => {
      const prompt = `a lighthouse ${markers[scenario]}`;
      return { model: vendor.model, input: vendor.input(prompt, seed), callbackUrl, deadlineMs: 60_000 };
    },
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

function settingsAt(origin: string, { kind, otherPaths = {} }: SimulatedVendorUnderTest): ProviderSettings {
  const otherUrls = Object.fromEntries(
    Object.entries(otherPaths).map(([name, path]) => [name, `${origin}/${kind}${path}`]),
  );
  return { baseUrl: `${origin}/${kind}`, otherUrls, apiKey, webhookSecret, timeouts, plainHttpAllowed: true };
}

async function receiveCallbacks(kind: string) {
  const deliveries: CallbackDelivery[] = [];
  const origin = await serve(async (request, response) => {
    const rawBody = await buffer(request);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    deliveries.push({ headers, rawBody, now: Date.now() });
    response.writeHead(204).end();
  });
  return { deliveries, callbackUrl: `${origin}/v1/callbacks/${kind}/attempt_1/token` };
}

const countsSchema = z.object({ submits: z.number() });
