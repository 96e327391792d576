import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Admission } from './load/admission.ts';

export interface ApiMetrics {
  readonly accepts: Counter<'replayed'>;
  readonly requestSeconds: Histogram<'method' | 'route' | 'status'>;
  readonly problems: Counter<'code'>;
  readonly shed: Counter<'kind'>;
  readonly batchJobs: Histogram;
  readonly callbacks: Counter<'provider' | 'kind'>;
  readonly streams: Gauge;
  readonly streamEnds: Counter<'reason'>;
}

/** Closest around the 200 ms in which a job is to be accepted. */
const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 10];

export function createApiMetrics(registry: Registry): ApiMetrics {
  const registers = [registry];
  const metrics: ApiMetrics = {
    accepts: new Counter({
      name: 'spillway_api_accepts_total',
      help: 'Requests answered with 202, new and replayed.',
      labelNames: ['replayed'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'spillway_api_request_seconds',
      help: 'From the head of a request to the end of its answer, without streams, downloads and who asked to wait.',
      labelNames: ['method', 'route', 'status'],
      buckets: requestBuckets,
      registers,
    }),
    problems: new Counter({
      name: 'spillway_api_problems_total',
      help: 'Requests answered with a problem, by its code.',
      labelNames: ['code'],
      registers,
    }),
    shed: new Counter({
      name: 'spillway_api_shed_total',
      help: 'Requests refused unread because more came in than could be answered.',
      labelNames: ['kind'],
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
    streams: new Gauge({
      name: 'spillway_api_followers',
      help: 'Streams of events that are open, by server-sent events and by WebSocket, and requests that wait for an end.',
      registers,
    }),
    streamEnds: new Counter({
      name: 'spillway_api_streams_ended_total',
      help: 'Streams of events that we have ended: slow (the reader did not keep up), key (it is no longer valid) or shutdown.',
      labelNames: ['reason'],
      registers,
    }),
  };
  // An alert asks for an increase, and the first of a series that was not there before is none.
  for (const kind of ['request', 'callback']) metrics.shed.inc({ kind }, 0);
  metrics.problems.inc({ code: 'spend_cap_reached' }, 0);
  return metrics;
}

/** What admission knows, read when somebody asks. */
export function registerAdmissionMetrics(registry: Registry, admission: Admission): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({ name, help, registers: [registry], collect: () => made.set(read()) });
  };
  gauge('spillway_api_in_flight_requests', 'Requests under way.', () => admission.inFlight());
  gauge('spillway_api_in_flight_limit', 'Requests that may be under way now: less while the process is late.', () =>
    admission.limit(),
  );
  gauge('spillway_api_long_requests', 'Streams, downloads and waits that are open, and are not in flight.', () =>
    admission.longLived(),
  );
}
