import type { Response } from 'express';
import { type Priority, priorities } from '../../domain/job.ts';
import type { Route } from '../../domain/route.ts';
import type { CapStanding, CountedPlace, Newcomer, QueueGate } from './queue-caps.ts';
import type { WaitGate } from './queue-wait.ts';

export interface LineDeps {
  readonly queueGate: QueueGate;
  readonly waitGate: WaitGate;
}

/** One that asks to stand in line, as its request and the catalogue describe it. */
export interface LineOrder extends Newcomer {
  readonly route: Route;
  readonly priority: Priority;
  readonly queueTtlSeconds: number;
}

/** Throws where the line is too long for the job, or its tenant has as many jobs as it may; counts it otherwise. */
export async function standInLine({ queueGate, waitGate }: LineDeps, order: LineOrder): Promise<CountedPlace> {
  waitGate.check({
    route: order.route,
    tenant: order.caller.tenant,
    class: priorities.indexOf(order.priority),
    queueTtlSeconds: order.queueTtlSeconds,
    peekWaiting: () => queueGate.peekWaiting(order),
  });
  return await queueGate.check(order);
}

/** Adds the caps on jobs to the fields of draft-ietf-httpapi-ratelimit-headers-11. They have no window: jobs end. */
export function sayStandings(response: Response, standings: readonly CapStanding[]): void {
  if (standings.length === 0) return;
  let policies = response.get('ratelimit-policy') ?? '';
  let left = response.get('ratelimit') ?? '';
  for (const { policy, max, remaining } of standings) {
    const separator = policies === '' ? '' : ', ';
    policies += `${separator}"${policy}";q=${max};qu="concurrent-requests"`;
    left += `${separator}"${policy}";r=${remaining}`;
  }
  response.setHeader('ratelimit-policy', policies);
  response.setHeader('ratelimit', left);
}
