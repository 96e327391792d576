import { Counter, Histogram, type Registry } from 'prom-client';

export interface ApiMetrics {
  readonly accepts: Counter<'replayed'>;
  readonly problems: Counter<'code'>;
  readonly batchJobs: Histogram;
  readonly callbacks: Counter<'provider' | 'kind'>;
}

export function createApiMetrics(registry: Registry): ApiMetrics {
  const registers = [registry];
  return {
    accepts: new Counter({
      name: 'spillway_api_accepts_total',
      help: 'Requests answered with 202, new and replayed.',
      labelNames: ['replayed'],
      registers,
    }),
    problems: new Counter({
      name: 'spillway_api_problems_total',
      help: 'Requests answered with a problem, by its code.',
      labelNames: ['code'],
      registers,
    }),
    batchJobs: new Histogram({
      name: 'spillway_api_accept_batch_jobs',
      help: 'Jobs written in one accept batch.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200],
      registers,
    }),
    callbacks: new Counter({
      name: 'spillway_api_callbacks_total',
      help: 'Deliveries to the callback route, by what they turned out to be.',
      labelNames: ['provider', 'kind'],
      registers,
    }),
  };
}
