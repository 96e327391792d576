import { Counter, Gauge, Histogram } from 'prom-client';

export const repairs = new Counter({
  name: 'spillway_repairs_total',
  help: 'What the reconciler had to mend, by kind. Each is a fault of something that should have done it in time.',
  labelNames: ['repair'],
});

export const swept = new Counter({
  name: 'spillway_swept_total',
  help: 'Waiting jobs that the sweeper ended at their queue deadline, or showed in Temporal UI.',
  labelNames: ['kind'],
});

export const prunedJobs = new Counter({
  name: 'spillway_pruned_jobs_total',
  help: 'Jobs that were forgotten because they ended longer ago than jobs are kept.',
});

export const breakerStates = new Gauge({
  name: 'spillway_breaker_state',
  help: 'How a breaker of a target stands: 0 closed, 1 half-open and probed with few jobs, 2 open.',
  labelNames: ['target', 'breaker'],
});

export const breakerChanges = new Counter({
  name: 'spillway_breaker_changes_total',
  help: 'Changes of a breaker of a target, by the state that it came to.',
  labelNames: ['target', 'breaker', 'state'],
});

export const spills = new Counter({
  name: 'spillway_spills_total',
  help: 'Waiting attempts that went to another target: `breaker` its own did not admit them, `spill` they had waited long enough.',
  labelNames: ['from', 'to', 'reason'],
});

export const unknownSubmits = new Counter({
  name: 'spillway_unknown_submits_total',
  help: 'Submits whose answer was lost, by target.',
  labelNames: ['target'],
});

export const unknownResolved = new Counter({
  name: 'spillway_unknown_resolved_total',
  help: 'What settled lost answers, by target: a proof, or the policy after the grace. A proof may follow a policy.',
  labelNames: ['target', 'by'],
});

export const attemptsEnded = new Counter({
  name: 'spillway_attempts_ended_total',
  help: 'Attempts that ended, by outcome and by who told: the callback, a poll (`check`), the answer to the POST (`refusal`).',
  labelNames: ['target', 'outcome', 'evidence'],
});

export const jobsEnded = new Counter({
  name: 'spillway_jobs_ended_total',
  help: 'Jobs that ended, by their final phase.',
  labelNames: ['phase'],
});

export const buildIsCurrent = new Gauge({
  name: 'spillway_build_current',
  help: 'Whether this worker grants and delivers: 1 where its build is the current one, or where builds have no names.',
});

export const submits = new Counter({
  name: 'spillway_submits_total',
  help: 'POSTs of attempts that this process has sent, by target.',
  labelNames: ['target'],
});

export const grantsMade = new Counter({
  name: 'spillway_grants_total',
  help: 'Permits that this process has granted.',
});

export const polls = new Counter({
  name: 'spillway_polls_total',
  help: 'Polls of a provider for an attempt of ours, by target.',
  labelNames: ['target'],
});

export const webhookTries = new Counter({
  name: 'spillway_webhook_tries_total',
  help: 'Tries of webhooks, by what came of them: `delivered`, `again`, `exhausted` after the last one, `gone` for good, `erased`, `endpoint_disabled`.',
  labelNames: ['result'],
});

export const webhookLag = new Histogram({
  name: 'spillway_webhook_first_try_lag_seconds',
  help: 'From the event to the first try of its webhook.',
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
});

export const webhooksOpen = new Gauge({
  name: 'spillway_webhooks_open',
  help: 'Webhooks that wait for their first try (`pending`) or for another one (`retrying`), of all workers.',
  labelNames: ['state'],
});

export const webhooksDisabled = new Counter({
  name: 'spillway_webhook_endpoints_disabled_total',
  help: 'Endpoints that were disabled: `gone` by their own answer, `failing` after five days of failures.',
  labelNames: ['reason'],
});
