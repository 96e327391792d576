import type { RequestHandler } from 'express';
import { z } from 'zod';
import {
  type BudgetView,
  readUsage,
  type Usage,
  usageGroups,
  type UsageQuery,
  type UsageRow,
} from '../../db/tenants/usage.ts';
import { limits } from '../../domain/limits/limits.ts';
import { callerOf } from '../auth/caller.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';
import { parsed } from '../schemas.ts';
import { usdOf } from '../reading/video-object.ts';

const daysDefault = 30;
const dayMs = 86_400_000;

/** `GET /v1/usage`: what a tenant's jobs came to, by the days of UTC in which they were accepted, and what its budgets leave. */
export function getUsage(deps: Pick<AppDeps, 'pool' | 'reports' | 'clock'>): RequestHandler {
  const reporting = new Set<string>();
  return async (request, response) => {
    const { from, to, group_by: groupBy } = rangeOf(parsed(usageQuerySchema, request.query), deps.clock());
    const { tenant } = callerOf(request);
    const wait = beginDatabaseWait(limits.usageReadMsMax);
    // Reports have few connections: one tenant is not to have them all.
    if (reporting.has(tenant)) throw reportUnderWay();
    reporting.add(tenant);
    const reading = readUsage(deps.reports ?? deps.pool, { tenant, from, to, groupBy });
    const usage = await wait.answered(reading.finally(() => reporting.delete(tenant)));
    response.set('cache-control', 'private, no-cache').json(usageObject({ from, to, groupBy }, usage));
  };
}

function reportUnderWay(): Problem {
  const detail = 'A report of yours is being made. Ask again when it is there.';
  return new Problem('quota_exceeded', { detail, headers: { 'retry-after': '1' } });
}

interface Range {
  readonly from: string;
  readonly to: string;
  readonly group_by: UsageQuery['groupBy'];
}

function rangeOf({ from, to, group_by }: z.output<typeof usageQuerySchema>, now: number): Range {
  const last =
    to ??
    (from === undefined ? dayOf(now) : dayOf(Math.min(now, Date.parse(from) + (limits.usageDaysMax - 1) * dayMs)));
  const first = from ?? dayOf(Date.parse(last) - (daysDefault - 1) * dayMs);
  const days = (Date.parse(last) - Date.parse(first)) / dayMs + 1;
  if (days < 1)
    throw to === undefined
      ? fieldProblem('invalid_request', '/from', 'This has to be no later than today, in UTC; or say `to` as well.')
      : fieldProblem('invalid_request', '/to', 'This has to be no earlier than `from`.');
  if (days > limits.usageDaysMax)
    throw fieldProblem('invalid_request', '/to', `These are ${days} days; ask for ${limits.usageDaysMax} at most.`);
  return { from: first, to: last, group_by };
}

function dayOf(millis: number): string {
  return new Date(millis).toISOString().slice(0, 10);
}

function usageObject({ from, to, groupBy }: Omit<UsageQuery, 'tenant'>, { rows, budgets }: Usage) {
  const data = rows.map(({ group, ...figures }) => ({ group, ...figuresOf([figures]) }));
  const { day, month } = budgets;
  return {
    object: 'usage',
    from,
    to,
    group_by: groupBy,
    data,
    total: figuresOf(rows),
    budgets: { day: budgetObject(day), month: budgetObject(month) },
  };
}

function figuresOf(rows: readonly Omit<UsageRow, 'group'>[]) {
  const sum = (figure: (row: Omit<UsageRow, 'group'>) => number): number =>
    rows.reduce((all, row) => all + figure(row), 0);
  const jobs = (phase: keyof UsageRow['jobs']): number => sum((row) => row.jobs[phase] ?? 0);
  return {
    jobs: {
      queued: jobs('queued'),
      in_progress: jobs('in_progress'),
      completed: jobs('completed'),
      failed: jobs('failed'),
      cancelled: jobs('cancelled'),
    },
    attempts: sum((row) => row.attempts),
    seconds: sum((row) => row.seconds),
    cost_usd: usdOf(sum((row) => row.costUsdMicros)),
  };
}

function budgetObject({ limitUsdMicros, committedUsdMicros, startsOn, endsOn }: BudgetView) {
  return {
    limit_usd: usdOf(limitUsdMicros),
    // Of a tenant without a budget nobody keeps count.
    committed_usd: usdOf(limitUsdMicros === null ? null : committedUsdMicros),
    left_usd: usdOf(limitUsdMicros && Math.max(limitUsdMicros - committedUsdMicros, 0)),
    starts_on: startsOn,
    ends_on: endsOn,
  };
}

const day = z.iso.date({ error: 'This has to be a day such as 2026-11-21, in UTC.', abort: true }).refine(
  // Years that Postgres and ids know.
  (text) => text >= '2000-01-01' && text <= '2999-12-31',
  'This has to be between 2000-01-01 and 2999-12-31.',
);

export const usageQuerySchema = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  group_by: z.enum(usageGroups, 'This has to be day, model or provider.').default('day'),
});
