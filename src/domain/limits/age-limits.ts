/** How old things get, and how much of them is let go at once. */
export const ageLimits = {
  /**
   * Final jobs, with their attempts, events and callbacks: longer than idempotency keys and deliveries of webhooks, which name
   * them, and shorter than a lifetime.
   */
  jobDaysKeptMin: 31,
  jobDaysKeptMax: 3_650,
  jobDaysKeptDefault: 90,
  /** Looked at in one transaction, and transactions in one activity: some 50 ms each, with nobody waiting for them. */
  prunedBatchMax: 500,
  prunedBatchesMax: 10,
  operatorActionDaysKept: 730,
  orphanDaysKept: 90,
  /** A vendor that tells us of what is not ours, or somebody who replays what one has signed, fills no disk. */
  orphansNotedMax: 10_000,
  /** Workflows that are compared at the start of a worker, of those that run and of those that have completed. */
  putBackLookMax: 200,
  /** Workflows whose histories are read at once after a restore. */
  historiesReadAtOnceMax: 10,
  /** Numbers that are left out before a restored database is mended: more grants than anybody gave since its backup. */
  grantsLeapt: 1_000_000_000,
  /** Closed workflows are looked through from so long before the last mark of the database on. */
  restoreSlackMs: 600_000,
  /** Before an activity looks again for an attempt that the ledger does not have. */
  missingFromLedgerDelayMs: 15_000,
  /** Events that one statement takes into the new count of transactions. */
  eventsSettledMax: 20_000,
} as const;
