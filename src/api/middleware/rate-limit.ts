import type { RequestHandler, Response } from 'express';
import { callerOf } from '../auth/caller.ts';
import { Problem } from '../problems/problem.ts';
import type { QuotaStanding, RequestQuota } from '../load/request-quota.ts';

/**
 * Requests a minute of a tenant, said on every answer in the fields of draft-ietf-httpapi-ratelimit-headers-11. A tenant
 * without a limit of its own has the default; without either there is no limit, and no field.
 */
export function rateLimit(quota: RequestQuota, perMinuteDefault: number | null): RequestHandler {
  return async (request, response, next) => {
    const { tenant, limits } = callerOf(request);
    const perMinute = limits.requestsPerMinute ?? perMinuteDefault;
    if (perMinute !== null) judge(response, await quota.take(tenant, perMinute));
    next();
  };
}

function judge(response: Response, { isAllowed, perMinute, remaining, waitMs }: QuotaStanding): void {
  const seconds = Math.ceil(waitMs / 1_000);
  response.setHeader('ratelimit-policy', `"requests";q=${perMinute};w=60`);
  response.setHeader('ratelimit', `"requests";r=${remaining};t=${seconds}`);
  if (isAllowed) return;
  const detail = `As many requests came as may in a minute: ${perMinute}. Come back in ${seconds} s, or ask the operator for more.`;
  throw new Problem('quota_exceeded', { detail, headers: { 'retry-after': String(seconds) } });
}
