import { v7 as uuidv7 } from 'uuid';
import type { StuckJob } from '../../src/db/stuck/stuck-jobs.ts';

/** Jobs that are stuck, the longest first: since as many milliseconds after the epoch as their place in line says. */
export function stuckJobs(count: number): readonly StuckJob[] {
  return Array.from({ length: count }, (_, since) => ({
    jobId: `video_${uuidv7()}`,
    tenant: 'acme',
    model: 'wan-2.6',
    phase: 'queued',
    target: 'vendor/one',
    provider: 'vendor',
    elsewhere: null,
    stuck: { cause: 'waiting_capacity', since },
  }));
}
