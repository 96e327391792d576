import { z } from 'zod';
import { usageGroups } from '../../db/tenants/usage.ts';
import { usageQuerySchema } from '../routes/get-usage.ts';
import type { Operation } from './operation.ts';

const count = z.int().min(0);
const day = z.string().meta({ format: 'date' });
const usd = z.number();

const figures = {
  jobs: z.object({ queued: count, in_progress: count, completed: count, failed: count, cancelled: count }),
  attempts: count.meta({ description: 'What was sent to providers.' }),
  seconds: z.number().min(0).meta({ description: 'Of the videos that were made, as long as their jobs are kept.' }),
  cost_usd: usd.min(0).meta({ description: 'What is booked: of attempts that have ended, as their providers bill.' }),
} as const;

const budget = z
  .object({
    limit_usd: usd.nullable().meta({ description: 'Null: there is no such budget.' }),
    committed_usd: usd.nullable().meta({
      description: 'Reserved for jobs under way, and spent by those that have ended. Null: there is no such budget.',
    }),
    left_usd: usd.nullable(),
    starts_on: day,
    ends_on: day.meta({ description: 'The first day of the next period.' }),
  })
  .meta({ id: 'Budget' });

const usageSchema = z
  .object({
    object: z.literal('usage'),
    from: day,
    to: day,
    group_by: z.enum(usageGroups),
    data: z.array(
      z.object({
        group: z.string().nullable().meta({ description: 'A day, a model or a provider. Null: nobody was asked yet.' }),
        ...figures,
      }),
    ),
    total: z.object(figures),
    budgets: z.object({ day: budget, month: budget }),
  })
  .meta({ id: 'Usage' });

export const usageOperation: Operation = {
  method: 'get',
  path: '/v1/usage',
  id: 'getUsage',
  tag: 'Account',
  summary: 'Read what your jobs came to, and what your budgets leave.',
  description:
    'A job counts on the day of UTC on which it was accepted, whatever it does later. Up to 92 days, both ends included; ' +
    'without `from` and `to` the last 30.',
  scope: 'read',
  query: usageQuerySchema,
  answers: { 200: { description: 'The figures.', content: { 'application/json': { schema: usageSchema } } } },
  problems: ['invalid_request'],
};
