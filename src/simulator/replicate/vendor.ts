import type { TierLimits } from '../tier.ts';
import type { SimulatedVendor } from '../vendor.ts';
import { notFound, problem, unauthenticated } from './answers.ts';
import { models } from './models.ts';
import { predictionRoutes } from './prediction-routes.ts';
import { signCallback } from './signature.ts';
import { submitRoutes } from './submit.ts';
import { upload } from './upload.ts';
import { callbackData } from './wire.ts';

/** One for all accounts: what is created in a minute is limited, what is under way is not. */
const limits: TierLimits = { outstanding: Infinity, perMinute: 600 };

export const replicate: SimulatedVendor = {
  name: 'replicate',
  models,
  promptField: 'prompt',
  authorization: 'Bearer',
  routes: [...predictionRoutes, ...submitRoutes, upload],
  tiers: { bronze: limits, silver: limits, gold: limits, ultra: limits },
  overConcurrency: 'wait',
  idOf,
  callbacks: {
    // The last of them about a minute after the end.
    retriesMax: 5,
    firstRetryDelayMs: 2_000,
    bodyOf: callbackData,
    headersOf: (parts) => ({
      'webhook-id': `msg_${parts.id}`,
      'webhook-timestamp': parts.timestamp,
      'webhook-signature': signCallback({ ...parts, id: `msg_${parts.id}` }),
    }),
  },
  // The time run is billed.
  cancellationOf: ({ startedAtMs }) => ({ billed: startedAtMs !== undefined }),
  overdueEndingOf: ({ startedAtMs }) => ({ kind: 'cancelled', billed: startedAtMs !== undefined }),
  retentionMs: 3_600_000,
  errors: {
    unauthorized: unauthenticated,
    notFound,
    internal: () => problem(500, { title: 'Internal Server Error', detail: 'An internal error occurred.' }),
  },
};

/** 26 letters and digits. */
function idOf(hex: string): string {
  return BigInt(`0x${hex}`).toString(32).padStart(26, '0');
}
