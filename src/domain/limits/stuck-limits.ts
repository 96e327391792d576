/** The bounds of looking for jobs that do not get on; a part of `limits`. */
export const stuckLimits = {
  /** Jobs that one question for stuck ones answers with, and how many of each kind it looks at for them. */
  stuckJobsMax: 1_000,
  stuckLookMax: 10_000,
  /** For each of the questions, which are linear in the line; and for a scrape that waits for all of them. */
  stuckReadMsMax: 5_000,
  /** How old the counts of stuck jobs may be that a scrape is told. */
  stuckFreshMs: 15_000,
  /** After that nobody is POSTing any more: whoever has not answered has lost it (`submitOptions`). */
  submittingMsMax: 240_000,
  /** Workflows that are read from Temporal's list of those whose tasks fail, once a round. */
  failingWorkflowsMax: 1_000,
  failingWorkflowsMsMax: 10_000,
  /** Shown jobs whose workflow is told at once that they wait for another reason than before. */
  toldWaitsMax: 100,
  /** Of each line whose provider refuses everybody, jobs that are shown in Temporal UI; and how often that is looked at. */
  shownOfRefusingMax: 20,
  showRefusedEveryMs: 5_000,
  /** Between two readings of the overview, and how many of them one run of its workflow has. */
  overviewEveryMs: 60_000,
  overviewRoundsMax: 200,
  /** Pools that the overview shows: its text has a bound too, and the longest lines come first. */
  overviewPoolsMax: 50,
  /** Temporal takes 20 KB of Markdown. */
  overviewCharsMax: 18_000,
  /** For Temporal to say what it knows of one workflow, beside what Postgres does. */
  describeMsMax: 3_000,
  /** Events of a job that are shown to an operator, the newest. */
  shownEventsMax: 20,
  shownActionsMax: 20,
} as const;
