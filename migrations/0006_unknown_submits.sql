-- Up Migration

-- Ambiguous submits, followed to their end. An attempt whose answer was lost is `unknown` from then on, until a proof says
-- what became of it, or its grace is over and its target's policy decides. Either is a fact of the ledger, an event of the
-- job, and counted. Expand only.
ALTER TABLE attempts
  -- Since when nobody knew whether the vendor had taken it. Stays when that is known again.
  ADD COLUMN unknown_at timestamptz,
  -- What settled it. A proof: the answer itself, come late, a callback, the vendor's list, a check, a stop, or that nothing
  -- lasts that long. Without one the target's policy, until a proof comes after all.
  ADD COLUMN resolved_by text CONSTRAINT resolution_is_known CHECK (resolved_by IN (
    'answer', 'callback', 'list', 'check', 'stop', 'longest_duration', 'grace_wait', 'grace_resubmit', 'grace_fail')),
  ADD COLUMN resolved_at timestamptz;

UPDATE attempts a
SET unknown_at = coalesce(a.answered_at, a.submitted_at),
    resolved_by = CASE WHEN a.ended_at IS NOT NULL THEN a.evidence
                       WHEN a.possible_duplicate THEN 'grace_' || (jobs.route -> a.target::int ->> 'unknownPolicy') END,
    resolved_at = CASE WHEN a.ended_at IS NOT NULL OR a.possible_duplicate THEN coalesce(a.ended_at, clock_timestamp()) END
FROM jobs
WHERE jobs.id = a.job AND a.state = 'unknown';

ALTER TABLE attempts
  ADD CONSTRAINT unknown_says_since_when CHECK (state <> 'unknown' OR unknown_at IS NOT NULL),
  ADD CONSTRAINT only_the_unknown_is_resolved CHECK (resolved_by IS NULL OR unknown_at IS NOT NULL),
  ADD CONSTRAINT resolved_says_when CHECK ((resolved_by IS NULL) = (resolved_at IS NULL)),
  ADD CONSTRAINT no_end_leaves_it_unknown CHECK (unknown_at IS NULL OR ended_at IS NULL OR resolved_by IS NOT NULL);

-- What has happened since somebody counted last: a row an event, without `resolved_by` for an attempt that became unknown.
-- Counted = deleted. Workers, the API and the reconciler all write here, and one loop makes metrics of it.
CREATE TABLE unknown_tally (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target_name  text NOT NULL,
  resolved_by  text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- The one writer of these facts, whoever changes the row: no way into `unknown` or out of it can be forgotten. Every writer
-- holds the job's lock, so the events are in order.
CREATE FUNCTION note_unknown() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.unknown_at IS NULL THEN
    -- Its worker died and nobody has asked for it again: that it lasted too long is the first that is heard of it.
    IF NEW.state = 'submitting' THEN
      NEW.state := 'unknown';
      PERFORM append_event(NEW.job, 'attempt.unknown', jsonb_build_object('attempt', NEW.attempt));
    END IF;
    NEW.unknown_at := clock_timestamp();
    INSERT INTO unknown_tally (target_name) VALUES (NEW.target_name);
  END IF;
  IF NEW.resolved_by IS NOT DISTINCT FROM OLD.resolved_by THEN
    IF (NEW.state = 'unknown' AND NEW.ended_at IS NULL) OR NEW.resolved_by NOT LIKE 'grace_%' THEN
      RETURN NEW;
    END IF;
    NEW.resolved_by := coalesce(nullif(NEW.evidence, 'refusal'), 'answer');
  END IF;
  NEW.resolved_at := clock_timestamp();
  INSERT INTO unknown_tally (target_name, resolved_by) VALUES (NEW.target_name, NEW.resolved_by);
  PERFORM append_event(NEW.job, 'attempt.resolved', jsonb_build_object('attempt', NEW.attempt, 'by', NEW.resolved_by));
  RETURN NEW;
END $$;
CREATE TRIGGER attempts_note_unknown BEFORE UPDATE ON attempts FOR EACH ROW
  WHEN (OLD.state = 'unknown' OR NEW.state = 'unknown' OR (OLD.state = 'submitting' AND NEW.evidence = 'longest_duration'))
  EXECUTE FUNCTION note_unknown();

-- Whoever looks for an attempt whose POST nobody has answered takes its answer for lost. The caller holds the job's lock.
CREATE FUNCTION lose_answer(p_job job_id, p_attempt integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE attempts SET state = 'unknown', answered_at = clock_timestamp()
  WHERE job = p_job AND attempt = p_attempt AND state = 'submitting' AND ended_at IS NULL;
  IF FOUND THEN
    UPDATE permits SET submitting = false WHERE job = p_job AND attempt = p_attempt AND submitting;
    PERFORM append_event(p_job, 'attempt.unknown', jsonb_build_object('attempt', p_attempt));
  END IF;
END $$;

-- Somebody other than the POST's own answer names the operation of an ambiguous submit. False: it is not to be had, because
-- something else is known of the attempt meanwhile, or because the operation is another attempt's.
CREATE FUNCTION adopt_attempt(p_job job_id, p_attempt integer, p_operation text, p_by text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  PERFORM lose_answer(p_job, p_attempt);
  UPDATE attempts
  SET state = 'accepted', operation = p_operation, answered_at = clock_timestamp(), failure = NULL, resolved_by = p_by
  WHERE job = p_job AND attempt = p_attempt AND state = 'unknown' AND ended_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM attempts other
                    WHERE other.provider = attempts.provider AND other.operation = p_operation);
  IF NOT FOUND THEN
    RETURN EXISTS (SELECT 1 FROM attempts WHERE job = p_job AND attempt = p_attempt AND operation = p_operation);
  END IF;
  PERFORM append_event(p_job, 'attempt.accepted', jsonb_build_object('attempt', p_attempt));
  RETURN true;
END $$;

-- The grace of an ambiguous submit is over and nothing proved it: its target's policy decides, and any but `wait` may pay a
-- second time. False: something was heard of it meanwhile, so there is nothing to decide. May be asked again.
CREATE FUNCTION decide_unknown(p_job job_id, p_attempt integer, p_policy text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  PERFORM lose_answer(p_job, p_attempt);
  UPDATE attempts
  SET resolved_by = 'grace_' || p_policy, possible_duplicate = possible_duplicate OR p_policy <> 'wait'
  WHERE job = p_job AND attempt = p_attempt AND state = 'unknown' AND ended_at IS NULL;
  RETURN FOUND;
END $$;

-- A provider's signed word on an attempt, in one transaction. As before, and one that is no end yet adopts what was unknown.
CREATE OR REPLACE FUNCTION receive_callback(
  p_job job_id, p_attempt integer, p_token text, p_body_sha256 bytea, p_kind text,
  p_outcome text, p_operation text, p_video_url text, p_failure jsonb
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM attempts WHERE job = p_job AND attempt = p_attempt AND token = p_token;
  IF NOT FOUND THEN
    RETURN 'unknown_attempt';
  END IF;
  INSERT INTO callback_inbox (job, attempt, body_sha256, kind) VALUES (p_job, p_attempt, p_body_sha256, p_kind)
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN 'duplicate';
  END IF;
  IF p_outcome IS NULL THEN
    PERFORM 1 FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
    IF p_operation IS NULL THEN
      RETURN 'recorded';
    ELSIF EXISTS (SELECT 1 FROM attempts WHERE job = p_job AND attempt = p_attempt AND state = 'unknown') THEN
      PERFORM adopt_attempt(p_job, p_attempt, p_operation, 'callback');
    ELSE
      PERFORM answer_attempt(p_job, p_attempt, 'accepted', p_operation);
    END IF;
    RETURN 'recorded';
  END IF;
  IF NOT end_attempt(p_job, p_attempt, 'callback', p_outcome, p_operation, p_video_url, p_failure) THEN
    RETURN 'late';
  END IF;
  INSERT INTO mailbox (job, kind, attempt, payload)
  SELECT p_job, 'callback', p_attempt,
         jsonb_strip_nulls(jsonb_build_object('attempt', p_attempt, 'outcome', p_outcome, 'failure', p_failure))
  FROM jobs WHERE id = p_job AND finished_at IS NULL
  ON CONFLICT (job, kind, attempt) DO NOTHING;
  RETURN 'recorded';
END $$;
