-- Up Migration

-- Three functions carry the safety: begin_attempt, end_attempt, settle_job. They are the only writers of these facts.
-- Each takes the job's row lock first, so that they are serial per job (lock order: pool, tenant, job, attempt), and
-- each may be called again with the same arguments without a second effect.

-- Appends one event under the job's lock. The caller holds that lock already or takes it here.
CREATE FUNCTION append_event(p_job job_id, p_kind text, p_data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  next_seq integer;
BEGIN
  UPDATE jobs SET event_seq = event_seq + 1 WHERE id = p_job RETURNING event_seq INTO next_seq;
  INSERT INTO job_events (job, seq, kind, data) VALUES (p_job, next_seq, p_kind, p_data);
END $$;

-- Gives back what a permit had reserved beyond what was really spent. Without a cap nobody counts.
CREATE FUNCTION append_refund(p_reserved bigint, p_spent bigint) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO refunds (budget, usd_micros)
  SELECT 'global', p_reserved - coalesce(p_spent, 0)
  WHERE p_reserved IS NOT NULL AND p_reserved <> coalesce(p_spent, 0)
    AND EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL);
$$;

-- Before the POST. One of:
--   go            nothing was sent for this attempt yet, and now the ledger says it will be: POST once;
--   accepted | refused | submitting | unknown   the attempt was begun before: here is its state, do not POST;
--   job_final                                   nobody waits for it any more, begun or not;
--   cancel_requested | permit_lost              it must not be sent at all.
CREATE FUNCTION begin_attempt(
  p_job job_id, p_attempt integer, p_grant bigint, p_target_name text, p_provider text,
  p_token text, p_seed bigint, p_run_budget interval
) RETURNS TABLE (verdict text, operation text, failure jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job     jobs%ROWTYPE;
  ledger  attempts%ROWTYPE;
  permit  permits%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  SELECT * INTO ledger FROM attempts a WHERE a.job = p_job AND a.attempt = p_attempt;
  -- Whoever asks again died after the row was written: the POST may have been sent, so nobody sends it again.
  IF ledger.state = 'submitting' THEN
    UPDATE attempts a SET state = 'unknown', answered_at = clock_timestamp() WHERE a.job = p_job AND a.attempt = p_attempt;
    UPDATE permits SET submitting = false WHERE permits.job = p_job AND permits.attempt = p_attempt;
    PERFORM append_event(p_job, 'attempt.unknown', jsonb_build_object('attempt', p_attempt));
  END IF;

  -- Before the ledger's state: a job that is final has nothing to wait for, whatever its attempt is doing.
  IF job.id IS NULL OR job.finished_at IS NOT NULL THEN
    RETURN QUERY SELECT 'job_final', NULL::text, NULL::jsonb;
    RETURN;
  END IF;
  IF ledger.job IS NOT NULL THEN
    RETURN QUERY SELECT ledger.state, ledger.operation, ledger.failure;
    RETURN;
  END IF;
  IF job.cancel_requested_at IS NOT NULL THEN
    RETURN QUERY SELECT 'cancel_requested', NULL::text, NULL::jsonb;
    RETURN;
  END IF;
  SELECT * INTO permit FROM permits WHERE grant_id = p_grant AND permits.job = p_job AND permits.attempt = p_attempt;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'permit_lost', NULL::text, NULL::jsonb;
    RETURN;
  END IF;

  INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, overlap, token, seed, price_usd_micros)
  VALUES (p_job, p_attempt, job.tenant, permit.pool, permit.target, p_target_name, p_provider,
          EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.ended_at IS NULL),
          p_token, p_seed, permit.price_usd_micros);
  UPDATE jobs
  SET phase = 'in_progress',
      started_at = coalesce(started_at, clock_timestamp()),
      run_deadline = coalesce(run_deadline, clock_timestamp() + p_run_budget),
      event_seq = event_seq + 1
  WHERE id = p_job;
  INSERT INTO job_events (job, seq, kind, data)
  VALUES (p_job, job.event_seq + 1, 'attempt.started', jsonb_build_object('attempt', p_attempt, 'target', p_target_name));
  RETURN QUERY SELECT 'go', NULL::text, NULL::jsonb;
END $$;

-- After the POST: what the provider answered. `accepted` is absorbing and reachable from `unknown` as well, by the late
-- answer, a callback or the provider's list. `p_failure` says why the answer is unknown. Returns the state that stands.
CREATE FUNCTION answer_attempt(
  p_job job_id, p_attempt integer, p_state text, p_operation text, p_failure jsonb DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  standing text;
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  UPDATE attempts
  SET state = p_state, operation = coalesce(operation, p_operation), answered_at = clock_timestamp(), failure = p_failure
  WHERE job = p_job AND attempt = p_attempt
    AND (state = 'submitting' OR (state = 'unknown' AND p_state = 'accepted'));
  IF FOUND THEN
    UPDATE permits SET submitting = false WHERE job = p_job AND attempt = p_attempt AND submitting;
    PERFORM append_event(p_job, 'attempt.' || p_state,
                         jsonb_strip_nulls(jsonb_build_object('attempt', p_attempt, 'failure', p_failure ->> 'code')));
  END IF;
  SELECT state INTO standing FROM attempts WHERE job = p_job AND attempt = p_attempt;
  RETURN standing;
END $$;

-- Proof that the provider is done with an attempt, whether or not a workflow is there to hear it: marks it ended,
-- releases its permit, books its cost. Returns whether this call was the one that ended it.
CREATE FUNCTION end_attempt(
  p_job job_id, p_attempt integer, p_evidence text, p_outcome text,
  p_operation text, p_video_url text, p_failure jsonb
) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ledger attempts%ROWTYPE;
  cost   bigint;
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  SELECT * INTO ledger FROM attempts WHERE job = p_job AND attempt = p_attempt;
  IF NOT FOUND OR ledger.ended_at IS NOT NULL THEN
    RETURN false;
  END IF;
  -- Another operation's end proves nothing about this attempt.
  IF p_operation IS NOT NULL AND ledger.operation IS NOT NULL AND p_operation <> ledger.operation THEN
    RETURN false;
  END IF;

  -- A refusal and a reported failure cost nothing; what ended without such a report is booked at its full price.
  cost := CASE WHEN p_outcome = 'failed' THEN 0 ELSE ledger.price_usd_micros END;
  UPDATE attempts
  SET ended_at = clock_timestamp(),
      evidence = p_evidence,
      outcome = p_outcome,
      state = CASE WHEN p_evidence = 'refusal' THEN 'refused'
                   WHEN coalesce(p_operation, operation) IS NOT NULL THEN 'accepted'
                   ELSE state END,
      operation = coalesce(operation, p_operation),
      answered_at = coalesce(answered_at, clock_timestamp()),
      video_url = p_video_url,
      failure = p_failure,
      cost_usd_micros = cost
  WHERE job = p_job AND attempt = p_attempt;
  DELETE FROM permits WHERE job = p_job AND attempt = p_attempt;
  PERFORM append_refund(ledger.price_usd_micros, cost);
  PERFORM append_event(p_job, 'attempt.ended', jsonb_strip_nulls(jsonb_build_object(
    'attempt', p_attempt, 'outcome', p_outcome, 'evidence', p_evidence, 'failure', p_failure ->> 'code')));
  RETURN true;
END $$;

-- The end of a job, once: compare and set. Returns the verdict that stands, which may be somebody else's.
CREATE FUNCTION settle_job(p_job job_id, p_phase text, p_attempt integer, p_failure jsonb)
RETURNS TABLE (phase text, served_attempt integer, failure jsonb, was_settled_now boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job      jobs%ROWTYPE;
  released permits%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF job.finished_at IS NOT NULL THEN
    RETURN QUERY SELECT job.phase, job.served_attempt, job.failure, false;
    RETURN;
  END IF;
  IF p_phase = 'completed'
     AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = p_attempt AND a.outcome = 'finished') THEN
    RAISE EXCEPTION 'job % cannot complete by attempt %, which has not finished', p_job, p_attempt;
  END IF;

  UPDATE jobs
  SET phase = p_phase,
      finished_at = clock_timestamp(),
      failure = p_failure,
      served_attempt = CASE WHEN p_phase = 'completed' THEN p_attempt END,
      event_seq = event_seq + 1
  WHERE id = p_job;
  INSERT INTO job_events (job, seq, kind, data)
  VALUES (p_job, job.event_seq + 1, 'job.' || p_phase,
          jsonb_strip_nulls(jsonb_build_object('attempt', p_attempt, 'failure', p_failure ->> 'code')));
  DELETE FROM tickets WHERE tickets.job = p_job;
  -- What was granted and never submitted is free again; what the provider still works on is a zombie.
  FOR released IN
    DELETE FROM permits
    WHERE permits.job = p_job
      AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = permits.attempt)
    RETURNING permits.*
  LOOP
    PERFORM append_refund(released.price_usd_micros, 0);
  END LOOP;
  UPDATE permits SET zombie_since = clock_timestamp(), submitting = false WHERE permits.job = p_job AND zombie_since IS NULL;
  DELETE FROM mailbox WHERE mailbox.job = p_job AND kind IN ('permit', 'cancel');
  RETURN QUERY SELECT p_phase, CASE WHEN p_phase = 'completed' THEN p_attempt END, p_failure, true;
END $$;

-- A provider's signed word on an attempt, in one transaction: kept once, the attempt ended, the workflow's mail
-- written. Returns `unknown_attempt` for a token that is none of ours.
CREATE FUNCTION receive_callback(
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
    IF p_operation IS NOT NULL THEN
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

-- The owner no longer wants the job. Queued: it ends here and now. Begun: no attempt may begin any more, and the
-- workflow hears of it. Returns the phase that stands, with `cancelling` for a job whose workflow has to end it.
CREATE FUNCTION request_cancel(p_job job_id, p_tenant text) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job jobs%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job AND tenant = p_tenant FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF job.finished_at IS NOT NULL THEN
    RETURN job.phase;
  END IF;
  IF job.phase = 'queued' THEN
    PERFORM settle_job(p_job, 'cancelled', NULL, NULL);
    -- A workflow that already waits for its permit only has to hear that it is over.
    INSERT INTO mailbox (job, kind) SELECT p_job, 'cancel' WHERE job.dispatched_at IS NOT NULL
    ON CONFLICT (job, kind, attempt) DO NOTHING;
    RETURN 'cancelled';
  END IF;
  IF job.cancel_requested_at IS NULL THEN
    UPDATE jobs SET cancel_requested_at = clock_timestamp() WHERE id = p_job;
    PERFORM append_event(p_job, 'cancel.requested', '{}');
  END IF;
  INSERT INTO mailbox (job, kind) VALUES (p_job, 'cancel') ON CONFLICT (job, kind, attempt) DO NOTHING;
  RETURN 'cancelling';
END $$;

-- The place of a further attempt in the queue. Nothing for a job that is final or being cancelled.
CREATE FUNCTION queue_attempt(
  p_job job_id, p_attempt integer, p_target integer, p_pool text, p_kind text, p_wait interval, p_price bigint
) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job jobs%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  IF NOT FOUND OR job.finished_at IS NOT NULL THEN
    RETURN 'job_final';
  END IF;
  IF job.cancel_requested_at IS NOT NULL THEN
    RETURN 'cancel_requested';
  END IF;
  -- Asked before and granted meanwhile: the permit is on its way, or the attempt has begun.
  IF EXISTS (SELECT 1 FROM permits WHERE permits.job = p_job AND permits.attempt = p_attempt)
     OR EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = p_attempt) THEN
    RETURN 'granted';
  END IF;
  INSERT INTO tickets (job, attempt, tenant, caller, pool, target, priority, kind, accepted_at, not_before, queue_deadline, price_usd_micros)
  VALUES (p_job, p_attempt, job.tenant, coalesce(job.request ->> 'user', ''), p_pool, p_target, job.priority, p_kind,
          job.accepted_at, clock_timestamp() + p_wait, coalesce(job.run_deadline, job.queue_deadline), p_price)
  -- Its last live sibling has ended meanwhile: the same ticket is no overlap any more.
  ON CONFLICT (job) DO UPDATE SET kind = 'retry' WHERE tickets.kind = 'overlap' AND excluded.kind = 'retry';
  IF FOUND THEN
    PERFORM append_event(p_job, 'attempt.queued', jsonb_build_object('attempt', p_attempt, 'target', p_target, 'kind', p_kind));
  END IF;
  RETURN 'queued';
END $$;
