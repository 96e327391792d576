import { problemKinds } from '../../../src/api/problems/problem-kinds.ts';
import { assetTaskQueue, checkTaskQueue, taskQueue } from '../../../src/contracts/generate-video.ts';
import { webhookTaskQueue } from '../../../src/contracts/deliver-webhook.ts';
import type { BreakerState } from '../../../src/domain/breaker.ts';
import { breakerNames } from '../../../src/domain/target-health.ts';
import { stuckCauses } from '../../../src/domain/stuck.ts';
import type { Repair } from '../../../src/dispatch/reconciler.ts';
import type { Resolution } from '../../../src/db/ledger/unknown-attempts.ts';
import { recordedMetrics } from './exported.ts';

const breakerStates: Readonly<Record<BreakerState, true>> = { closed: true, open: true, half_open: true };
const repairs: Readonly<Record<Repair, true>> = {
  closed_workflow: true,
  lost_workflow: true,
  leaked_permit: true,
  zombie_ended: true,
  zombie_expired: true,
};
const resolutions: Readonly<Record<Resolution, true>> = {
  answer: true,
  callback: true,
  list: true,
  check: true,
  stop: true,
  longest_duration: true,
  grace_wait: true,
  grace_resubmit: true,
  grace_fail: true,
};

/** Values of labels by metric: those of ours that are a closed set, from where the program has them. */
const ours: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  spillway_stuck_jobs: { cause: stuckCauses },
  spillway_stuck_oldest_seconds: { cause: stuckCauses },
  spillway_api_problems_total: { code: Object.keys(problemKinds) },
  spillway_api_shed_total: { kind: ['request', 'callback'] },
  spillway_api_callbacks_total: {
    kind: ['queued', 'running', 'finished', 'failed', 'unsigned', 'forged', 'unreadable', 'unknown_attempt'],
  },
  spillway_api_request_seconds: { method: ['GET', 'POST'], route: ['/v1/videos'] },
  spillway_attempts_ended_total: { evidence: ['callback', 'check', 'refusal'] },
  spillway_jobs_ended_total: { phase: ['completed', 'failed', 'cancelled'] },
  spillway_webhook_tries_total: { result: ['delivered', 'again', 'exhausted', 'gone', 'erased', 'endpoint_disabled'] },
  spillway_webhooks_open: { state: ['pending', 'retrying'] },
  spillway_pool_permits: { state: ['live', 'zombie'] },
  spillway_pool_limit: { state: ['configured', 'working'] },
  spillway_spend_usd: { state: ['committed', 'cap'] },
  spillway_money_at_risk_usd: { state: ['under_way', 'zombie', 'unknown'] },
  spillway_breaker_state: { breaker: breakerNames },
  spillway_breaker_changes_total: { breaker: breakerNames, state: Object.keys(breakerStates) },
  spillway_repairs_total: { repair: Object.keys(repairs) },
  spillway_unknown_resolved_total: { by: Object.keys(resolutions) },
  spillway_event_loop_lag_seconds: { quantile: ['0.5', '0.99', '1'] },
};

const queues: readonly string[] = [taskQueue, checkTaskQueue, assetTaskQueue, webhookTaskQueue];

/** Undefined: the values of the label are a deployment's own, such as the names of its pools, or many. */
export function knownValues(metric: string, label: string): readonly string[] | undefined {
  if (metric.startsWith('temporal_') && label === 'task_queue') return queues;
  const seen = recordedMetrics[metric]?.labels[label];
  return seen === undefined || seen.length === 0 ? ours[metric]?.[label] : seen;
}

/** As Prometheus matches: the whole value, by `=` or by `=~`. */
export function isStatus(value: string): boolean {
  return /^[1-5](?:\d\d|\.\.)$/.test(value);
}
