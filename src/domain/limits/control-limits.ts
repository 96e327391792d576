/** Bounds of what operators ask for, and of what granting does about it. A part of `limits`. */
export const controlLimits = {
  /** Flows of paused tenants that a grant pass looks for at the head of each line, and so often. */
  heldFlowsLookMax: 1_000,
  holdRoundsMax: 5,
  /** Flows that a pass takes back into line when a tenant's pause is over. */
  heldFlowsOfPassMax: 5_000,
  /** Tickets of a line that a spill pass looks through, by how long they have waited, for such as are not held. */
  heldLeaversLookMax: 500,
  /** How long such a one is put off by: so often it is written anew, and so late it may leave when its pause is over early. */
  heldLeaversMs: 900_000,

  /** A pause without an end lasts until it is resumed; a limit that was changed always comes back. */
  pauseSecondsMax: 365 * 24 * 3_600,
  overrideSecondsMax: 30 * 24 * 3_600,
  overrideJobsMax: 1_000_000,
  overridePerMinuteMax: 1_000_000,
  /** Until a grant pass that is under way has let go of what is paused. */
  controlLockMsMax: 5_000,
  /** With a connection to be had, for an answer of the API. */
  controlAnswerMsMax: 6_500,
  subjectCharsMax: 200,
  /** Who did something, and why: one line each. */
  actorCharsMax: 100,
  reasonCharsMax: 500,

  /** Jobs that one order repairs, and how many of them at a time. */
  bulkRepairsMax: 100,
  bulkRepairsDefault: 20,
  /** After which none of the others is asked, and those that were are waited for no longer. */
  bulkMsMax: 20_000,
  /** Who was repaired so lately is no part of the next order: it takes a while until that shows. */
  repairedLatelyMs: 600_000,
  repairsAtOnceMax: 5,
  /** Until a job's workflow has answered; before that, until one that has none is started. */
  repairAnswerMsMax: 10_000,
  repairStartMsMax: 10_000,
  /** Both, and the statements between them. */
  repairMsMax: 25_000,
  repairRetryMs: 250,
  extendSecondsMax: 7 * 24 * 3_600,

  /** What one page of the admin API lists. */
  actionsListedMax: 100,
  adminListMax: 100,
  adminListDefault: 20,
} as const;
