import type { Client } from '@temporalio/client';

/** What operators' calls need beside what all need. */
export interface Operator {
  /** Lazily connected: what Postgres knows is told while Temporal is away. */
  readonly temporal: () => Promise<Client>;
  /** From when on a job that waits is stuck. */
  readonly stuckAfterMs: number;
}
