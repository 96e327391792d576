-- Up Migration

-- What is needed to say why a job does not get on, as its workflow would (domain/stuck.ts). Expand only: a build of before
-- writes none of it, and its tickets are told by when they were written.

ALTER TABLE tickets
  -- Since when it stands in line: `accepted_at` is the job's, however late the attempt. Of tickets of before: now.
  ADD COLUMN waiting_since timestamptz NOT NULL DEFAULT now(),
  -- What its workflow was last told of why it waits: what the provider says to its line. Null: that it is full.
  ADD COLUMN told_refusal text;

ALTER TABLE attempts
  -- When a poll last found it queued at the provider itself: its patience counts from there.
  ADD COLUMN queued_at timestamptz;

-- Jobs whose workflow fails its tasks, as Temporal reports, and since when it has. Written by the reconciler alone; whatever
-- is not reported any more goes. Few, and a table of their own: an index on jobs would cost every job.
CREATE TABLE failing_workflows (
  job    job_id PRIMARY KEY,
  since  timestamptz NOT NULL DEFAULT clock_timestamp()
);
