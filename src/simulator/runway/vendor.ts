import { uuidOf } from '../random.ts';
import type { SimulatedVendor } from '../vendor.ts';
import { notFound, refusal } from './answers.ts';
import { models } from './models.ts';
import { routes } from './routes.ts';

const dayMs = 86_400_000;

/** A vendor without callbacks. What the documents count per model is counted here per account; daily caps are not. */
export const runway: SimulatedVendor = {
  name: 'runway',
  models,
  promptField: 'promptText',
  authorization: 'Bearer',
  routes,
  tiers: {
    bronze: { outstanding: 1, perMinute: Infinity },
    silver: { outstanding: 3, perMinute: Infinity },
    gold: { outstanding: 10, perMinute: Infinity },
    ultra: { outstanding: 20, perMinute: Infinity },
  },
  overConcurrency: 'wait',
  idOf: uuidOf,
  // Whether a stopped task costs what it ran is not documented; this is the worse of the two.
  cancellationOf: ({ startedAtMs }) => ({ billed: startedAtMs !== undefined }),
  retentionMs: 30 * dayMs,
  outputUrlMs: dayMs,
  errors: {
    unauthorized: () => refusal(401, 'The provided API key is not valid.'),
    notFound,
    internal: () => refusal(500, 'An unexpected error occurred.'),
  },
};
