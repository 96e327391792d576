import { Counter, Gauge } from 'prom-client';

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
