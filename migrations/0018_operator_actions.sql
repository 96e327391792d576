-- Up Migration

-- What operators did, whoever they were and wherever they did it: repairs of jobs, pauses, limits. Appended, never changed.
CREATE TABLE operator_actions (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Who, in their own words where it came from Temporal UI or the command line; the key where it came by the API.
  actor    text NOT NULL,
  action   text NOT NULL,
  -- What it was done to: a job's id, a pool, a target, a tenant.
  subject  text COLLATE "C" NOT NULL,
  reason   text NOT NULL DEFAULT '',
  detail   jsonb NOT NULL DEFAULT '{}',
  -- The id under which it was asked for: one that is asked for again is written once.
  request  text COLLATE "C" CONSTRAINT an_action_is_written_once UNIQUE
);
CREATE INDEX operator_actions_of_subject ON operator_actions (subject, id);
CREATE INDEX operator_actions_by_age ON operator_actions USING brin (at);
