import { uuidOf } from '../random.ts';
import type { SimulatedVendor } from '../vendor.ts';
import { answerOf, notFound, refusal } from './answers.ts';
import { platformError } from './errors.ts';
import { keys } from './keys.ts';
import { models } from './models.ts';
import { requestRoutes } from './request-routes.ts';
import { signedHeaders } from './signature.ts';
import { submit } from './submit.ts';
import { uploadRoutes } from './upload.ts';
import { callbackData } from './wire.ts';

const dayMs = 86_400_000;
const perMinute = Infinity;

export const fal: SimulatedVendor = {
  name: 'fal',
  models,
  promptField: 'prompt',
  authorization: 'Key',
  // Submit comes last: its path matches whatever the others leave.
  routes: [keys, ...uploadRoutes, ...requestRoutes, submit],
  // Grows with what was paid in. What is beyond waits, however much it is.
  tiers: {
    bronze: { outstanding: 2, perMinute },
    silver: { outstanding: 10, perMinute },
    gold: { outstanding: 20, perMinute },
    ultra: { outstanding: 40, perMinute },
  },
  overConcurrency: 'wait',
  idOf: uuidOf,
  callbacks: {
    // Doubling from seven seconds, the tenth retry comes after two hours.
    retriesMax: 10,
    firstRetryDelayMs: 7_000,
    bodyOf: callbackData,
    headersOf: signedHeaders,
  },
  // Taken out of the queue it costs nothing; that a run which was told to stop is billed is assumed.
  cancellationOf: ({ status }) => ({ billed: status === 'processing' }),
  // The limit is on the time to the start: a run that has begun goes on.
  overdueEndingOf: ({ status }) => (status === 'created' ? { kind: 'timeout' } : undefined),
  retentionMs: 7 * dayMs,
  errors: {
    unauthorized: () => refusal(401, 'Authentication is required to access this application'),
    notFound,
    internal: () => answerOf(platformError(500, 'internal_error', 'Internal server error')),
  },
};
