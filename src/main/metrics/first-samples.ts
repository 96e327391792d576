import type { Repair } from '../../dispatch/reconciler.ts';
import type { FinalPhase } from '../../domain/job.ts';
import type { MadeTry } from '../../webhooks/try-delivery.ts';
import { jobsEnded, repairs, submits, unknownSubmits, webhookTries } from './metrics.ts';

const phases: Readonly<Record<FinalPhase, true>> = { completed: true, failed: true, cancelled: true };
const results: Readonly<Record<MadeTry['outcome'], true>> = {
  delivered: true,
  again: true,
  exhausted: true,
  gone: true,
  erased: true,
  endpoint_disabled: true,
};
const kinds: Readonly<Record<Repair, true>> = {
  closed_workflow: true,
  lost_workflow: true,
  leaked_permit: true,
  zombie_ended: true,
  zombie_expired: true,
};

/**
 * Every series of a worker that an alert watches begins with 0. An alert asks for an increase, and the first sample of a
 * series that was not there before is none: what is lost all at once would be lost in silence.
 */
export function tellFirstSamples(targets: readonly string[]): void {
  for (const target of targets) {
    submits.inc({ target }, 0);
    unknownSubmits.inc({ target }, 0);
  }
  for (const phase of Object.keys(phases)) jobsEnded.inc({ phase }, 0);
  for (const result of Object.keys(results)) webhookTries.inc({ result }, 0);
  for (const repair of Object.keys(kinds)) repairs.inc({ repair }, 0);
}
