import { Counter } from 'prom-client';

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
