import type { CallbackClient } from './callback-client.ts';
import type { Counts } from './counts.ts';
import type { Delivery } from './delivery.ts';
import { signCallback } from './signature.ts';
import type { Timers } from './timers.ts';

interface Dependencies {
  readonly client: CallbackClient;
  readonly counts: Counts;
  readonly timers: Timers;
  readonly secret: string;
  readonly timeScale: number;
}

const retriesMax = 3;
const firstRetryDelayMs = 10_000;

export interface Callbacks {
  /** Sends in order; resolves when each has had its first answer. Retries go on by themselves. */
  send(url: string, deliveries: readonly Delivery[]): Promise<void>;
}

export function createCallbacks(dependencies: Dependencies): Callbacks {
  return {
    async send(url, deliveries) {
      for (const delivery of deliveries) {
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
  const { client, counts, timers, secret, timeScale } = dependencies;
  counts.callbackSent();
  const status = await client.post(url, headersOf(delivery, secret), delivery.body);
  if (status !== undefined && status >= 200 && status < 300) return counts.callbackAcknowledged();
  if (retries >= retriesMax || delivery.signature === 'forged') return;
  timers.after(firstRetryDelayMs * timeScale * 2 ** retries, () => {
    void attempt(dependencies, { url, delivery, retries: retries + 1 });
  });
}

function headersOf({ id, body, signature }: Delivery, secret: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const key = signature === 'true' ? secret : 'whsec_not-the-secret';
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signCallback(key, { id, timestamp, body }),
  };
}
