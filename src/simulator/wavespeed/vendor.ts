import type { SimulatedVendor } from '../vendor.ts';
import { accountRoutes } from './account-routes.ts';
import { failure, notFound } from './answers.ts';
import { models } from './models.ts';
import { predictionRoutes } from './prediction-routes.ts';
import { signCallback } from './signature.ts';
import { submit } from './submit.ts';
import { upload } from './upload.ts';
import { callbackData } from './wire.ts';

const dayMs = 86_400_000;

export const wavespeed: SimulatedVendor = {
  name: 'wavespeed',
  models,
  promptField: 'prompt',
  authorization: 'Bearer',
  // Submit comes last: its path matches whatever the others leave.
  routes: [...predictionRoutes, ...accountRoutes, upload, submit],
  tiers: {
    bronze: { outstanding: 3, perMinute: 5 },
    silver: { outstanding: 100, perMinute: 60 },
    gold: { outstanding: 2_000, perMinute: 600 },
    ultra: { outstanding: 5_000, perMinute: 5_000 },
  },
  overConcurrency: 'refuse',
  idOf: (hex) => hex,
  callbacks: {
    retriesMax: 3,
    firstRetryDelayMs: 10_000,
    bodyOf: callbackData,
    headersOf: (parts) => ({
      'webhook-id': parts.id,
      'webhook-timestamp': parts.timestamp,
      'webhook-signature': signCallback(parts),
    }),
  },
  // A delete only forgets: the vendor has no cancel.
  cancellationOf: () => undefined,
  retentionMs: 7 * dayMs,
  errors: {
    unauthorized: () => failure(401, 'invalid api key'),
    notFound,
    internal: () => failure(500, 'internal server error'),
  },
};
