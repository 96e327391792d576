/** Bounds of what a job's workflow shows of itself, and takes from operators. A part of `limits`. */
export const storyLimits = {
  /** Of search attributes, a job: each is written to the visibility store, whose rows are dear. */
  upsertsOfJobMax: 2,
  /** Temporal takes 200 bytes, and 20,000. */
  summaryCharsMax: 180,
  detailsCharsMax: 9_000,
  attemptsInDetailsMax: 20,
  /** Repairs that one run of a workflow takes, of the 2,000 updates that Temporal does. */
  repairsOfJobMax: 100,
  /** Of the id of an update, which is noted with the repair. Ours have an idempotency key as a digest, so that any fits. */
  updateIdCharsMax: 300,
  /** After that a copy is late enough to be told of. */
  copyLateMs: 65_000,
} as const;
