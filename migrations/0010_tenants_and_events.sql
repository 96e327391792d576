-- Up Migration

-- Many tenants, each with keys of its own; and events that can be followed across a tenant's jobs.

ALTER TABLE tenants
  ADD COLUMN name text NOT NULL DEFAULT '',
  -- Requests to the API a minute, and jobs that are neither final nor refused. Null: as many as there are.
  ADD COLUMN requests_per_minute integer CONSTRAINT requests_are_positive CHECK (requests_per_minute > 0),
  ADD COLUMN outstanding_max integer CONSTRAINT outstanding_is_positive CHECK (outstanding_max > 0),
  -- What may be spent in a day and in a month of UTC. Null: no budget.
  ADD COLUMN day_budget_usd_micros bigint CONSTRAINT day_budget_is_not_negative CHECK (day_budget_usd_micros >= 0),
  ADD COLUMN month_budget_usd_micros bigint CONSTRAINT month_budget_is_not_negative CHECK (month_budget_usd_micros >= 0);

-- The secret half of a key is 256 random bits, so one fast hash of it is enough to keep.
CREATE TABLE api_keys (
  id             text COLLATE "C" PRIMARY KEY,
  tenant         text COLLATE "C" NOT NULL REFERENCES tenants,
  secret_sha256  bytea NOT NULL,
  name           text NOT NULL DEFAULT '',
  scopes         text[] NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at     timestamptz,
  revoked_at     timestamptz,
  -- Written at most once a minute.
  last_used_at   timestamptz
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant);

-- `tx` orders the events of a tenant: whoever reads only what is older than every transaction under way, by (tx, job, seq),
-- misses none, however late a slow one commits.
ALTER TABLE job_events
  ADD COLUMN tenant text COLLATE "C",
  ADD COLUMN tx xid8 NOT NULL DEFAULT pg_current_xact_id();
UPDATE job_events SET tenant = jobs.tenant FROM jobs WHERE jobs.id = job_events.job;
CREATE INDEX job_events_of_tenant ON job_events (tenant, tx, job, seq);

-- As before, and says whose event it is.
CREATE OR REPLACE FUNCTION append_event(p_job job_id, p_kind text, p_data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  next_seq integer;
  owner    text;
BEGIN
  UPDATE jobs SET event_seq = event_seq + 1 WHERE id = p_job RETURNING event_seq, tenant INTO next_seq, owner;
  INSERT INTO job_events (job, seq, kind, data, tenant) VALUES (p_job, next_seq, p_kind, p_data, owner);
END $$;

-- Before the POST. As before, and says whose event it is.
CREATE OR REPLACE FUNCTION begin_attempt(
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
  INSERT INTO job_events (job, seq, kind, data, tenant)
  VALUES (p_job, job.event_seq + 1, 'attempt.started', jsonb_build_object('attempt', p_attempt, 'target', p_target_name), job.tenant);
  RETURN QUERY SELECT 'go', NULL::text, NULL::jsonb;
END $$;

-- The end of a job, once. As before, and says whose event it is.
CREATE OR REPLACE FUNCTION settle_job(p_job job_id, p_phase text, p_attempt integer, p_failure jsonb)
RETURNS TABLE (phase text, served_attempt integer, failure jsonb, was_settled_now boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job jobs%ROWTYPE;
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
     AND NOT EXISTS (SELECT 1 FROM assets a
                     WHERE a.job = p_job AND a.attempt = p_attempt AND stored_at IS NOT NULL AND removed_at IS NULL) THEN
    RAISE EXCEPTION 'job % cannot complete by attempt %, of which there is no copy', p_job, p_attempt;
  END IF;

  UPDATE jobs
  SET phase = p_phase,
      finished_at = clock_timestamp(),
      failure = p_failure,
      served_attempt = CASE WHEN p_phase = 'completed' THEN p_attempt END,
      event_seq = event_seq + 1
  WHERE id = p_job;
  INSERT INTO job_events (job, seq, kind, data, tenant)
  VALUES (p_job, job.event_seq + 1, 'job.' || p_phase,
          jsonb_strip_nulls(jsonb_build_object('attempt', p_attempt, 'failure', p_failure ->> 'code')), job.tenant);
  -- What was granted and never submitted is free again; what the provider still works on is a zombie.
  PERFORM withdraw_unsent(p_job);
  UPDATE permits SET zombie_since = clock_timestamp(), submitting = false WHERE permits.job = p_job AND zombie_since IS NULL;
  DELETE FROM mailbox WHERE mailbox.job = p_job AND kind = 'cancel';
  -- A copy that serves nobody is due for removal at once; one that is being made is, once nobody can be making it.
  UPDATE assets SET expires_at = clock_timestamp()
  WHERE assets.job = p_job AND stored_at IS NOT NULL AND removed_at IS NULL
    AND (p_phase <> 'completed' OR assets.attempt <> p_attempt);
  RETURN QUERY SELECT p_phase, CASE WHEN p_phase = 'completed' THEN p_attempt END, p_failure, true;
END $$;
