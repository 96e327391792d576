/** Bounds of builds, and of replacing one by another. Part of `limits`. */
export const buildLimits = {
  buildNameCharsMax: 100,
  /** How often a worker asks whether its build is the current one, and how long it waits for the answer. */
  buildLookEveryMs: 2_000,
  buildLookMsMax: 5_000,

  /** One question to Temporal about a deployment: a change of it waits for every task queue to hear of it. */
  deploymentAskMsMax: 30_000,
  deploymentLookEveryMs: 1_000,
  /** A worker without work asks anew once a minute. */
  pollerSecondsSeen: 90,
  rollOutCommandSecondsMax: 600,
  rollOutStartSecondsMax: 300,
  rollOutHoldSecondsMax: 24 * 3_600,
  rollOutWaitSecondsMax: 7 * 24 * 3_600,
  /** A job is over within its run deadline; one that is shown in line may stay for as long as it may wait. */
  rollOutDrainSecondsMax: 6 * 3_600,

  /** Some fifty a second. */
  replayHistoriesMax: 100_000,

  /** A migration waits so long for a lock, less than a statement of the API may take, then lets those pass who wait behind it, and tries again. */
  migrationLockMsMax: 500,
  migrationLockPauseMs: 500,
  migrationMsMax: 600_000,
} as const;
