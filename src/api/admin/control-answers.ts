import type { ControlOutcome } from '../../domain/control.ts';
import { Problem } from '../problems/problem.ts';

/** What came of an order, for who asked. Ending what is not there is no fault: it is as it was asked to be. */
export function outcomeObject(outcome: ControlOutcome, subject: string) {
  if (outcome === 'unknown')
    throw new Problem('subject_not_found', {
      detail: 'There is nothing of this name. GET /v1/admin/pools has the pools and their targets.',
    });
  if (outcome === 'reused') throw new Problem('idempotency_key_reused');
  return { object: 'control' as const, subject, outcome };
}
