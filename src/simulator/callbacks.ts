import type { CallbackClient } from './callback-client.ts';
import type { CallbackRules } from './callback-rules.ts';
import type { Counts } from './counts.ts';
import { planDeliveries, type Delivery } from './delivery.ts';
import type { Prediction } from './prediction.ts';
import type { Timers } from './timers.ts';

interface Dependencies {
  readonly rules: CallbackRules;
  readonly client: CallbackClient;
  readonly counts: Counts;
  readonly timers: Timers;
  readonly secret: string;
  readonly timeScale: number;
}

const forgersSecret = `whsec_${Buffer.from('not-the-secret').toString('base64')}`;

export interface Callbacks {
  /** Sends in order; resolves when each has had its first answer. Retries go on by themselves. */
  send(prediction: Prediction): Promise<void>;
}

export function createCallbacks(dependencies: Dependencies): Callbacks {
  return {
    async send(prediction) {
      const { webhook: url } = prediction;
      if (url === undefined) return;
      for (const delivery of planDeliveries(prediction, dependencies.rules.bodyOf)) {
        if (delivery.waitMs > 0) await dependencies.timers.sleep(delivery.waitMs);
        await Promise.all(
          Array.from({ length: delivery.copies }, () => attempt(dependencies, { url, delivery, retries: 0 })),
        );
      }
    },
  };
}

interface Attempt {
  readonly url: string;
  readonly delivery: Delivery;
  readonly retries: number;
}

async function attempt(dependencies: Dependencies, { url, delivery, retries }: Attempt): Promise<void> {
  const { rules, client, counts, timers, timeScale } = dependencies;
  counts.callbackSent();
  const status = await client.post(url, await headersOf(delivery, dependencies), delivery.body);
  if (status !== undefined && status >= 200 && status < 300) return counts.callbackAcknowledged();
  if (retries >= rules.retriesMax || delivery.signature === 'forged') return;
  timers.after(rules.firstRetryDelayMs * timeScale * 2 ** retries, () => {
    void attempt(dependencies, { url, delivery, retries: retries + 1 });
  });
}

async function headersOf({ id, body, signature }: Delivery, { rules, secret }: Dependencies) {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...(await rules.headersOf({ id, timestamp, body, secret: signature === 'true' ? secret : forgersSecret })),
  };
}
