-- Up Migration

-- A video of ours: our own copy, with what is needed to prove that it is whole. Expand only, but for two things: settle_job
-- from here on wants the copy before it calls a job completed, and failures go by other names (below). An older build can
-- do neither, so none may run beside this one.
-- The row is written before the first byte, so that whoever dies in between leaves nothing that nobody would remove.
CREATE TABLE assets (
  job           job_id NOT NULL,
  attempt       integer NOT NULL,
  tenant        text COLLATE "C" NOT NULL,
  -- Where the bytes lie in the object store.
  key           text COLLATE "C" NOT NULL,
  content_type  text,
  bytes         bigint CONSTRAINT an_asset_is_not_empty CHECK (bytes > 0),
  sha256        bytea CONSTRAINT sha256_is_whole CHECK (octet_length(sha256) = 32),
  -- The copy is whole from here on. Before, the row says only that one may have been begun.
  stored_at     timestamptz DEFAULT clock_timestamp(),
  -- Why there never will be one.
  failure       jsonb,
  expires_at    timestamptz NOT NULL,
  -- The bytes are gone, by retention or because their job ended otherwise.
  removed_at    timestamptz,
  PRIMARY KEY (job, attempt),
  FOREIGN KEY (job, attempt) REFERENCES attempts,
  CONSTRAINT stored_is_described CHECK (stored_at IS NULL OR (content_type IS NOT NULL AND bytes IS NOT NULL AND sha256 IS NOT NULL)),
  CONSTRAINT stored_or_failed CHECK (stored_at IS NULL OR failure IS NULL)
);
CREATE INDEX assets_by_expiry ON assets (expires_at) WHERE removed_at IS NULL;

-- Retention, per tenant.
ALTER TABLE tenants
  ADD COLUMN asset_days_kept integer NOT NULL DEFAULT 30 CONSTRAINT assets_are_kept_a_day CHECK (asset_days_kept >= 1),
  ADD COLUMN input_days_kept integer NOT NULL DEFAULT 1 CONSTRAINT inputs_are_kept_a_day CHECK (input_days_kept >= 1);

-- The input picture: a key in the object store, as it came or prepared for vendors; or a URL that is still to be read.
ALTER TABLE jobs
  ADD COLUMN input_url text,
  ADD COLUMN input_prepared boolean NOT NULL DEFAULT false,
  ADD COLUMN input_removed_at timestamptz;
CREATE INDEX jobs_with_input ON jobs (tenant, finished_at)
  WHERE (input_image IS NOT NULL OR input_url IS NOT NULL) AND input_removed_at IS NULL;

-- A place that was promised for a picture: the client PUTs it there, and names the id in its requests. Also the note of a
-- picture whose job is about to be accepted: accepting it deletes the row, so retention finds what no job came of.
CREATE TABLE uploads (
  id            text COLLATE "C" PRIMARY KEY,
  tenant        text COLLATE "C" NOT NULL,
  key           text COLLATE "C" NOT NULL,
  bytes         integer NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz NOT NULL
);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- What we sign our own URLs with: the same for all processes, never in a log. 244 random bits.
CREATE TABLE signing_keys (
  id          text PRIMARY KEY,
  secret      bytea NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO signing_keys (id, secret)
VALUES ('urls', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- What was asked for and never sent: the place in line goes, and the permit that came of it is free again. The caller holds
-- the job's lock, so whoever begins an attempt either did so before, or finds its permit gone.
CREATE FUNCTION withdraw_unsent(p_job job_id) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  released permits%ROWTYPE;
BEGIN
  DELETE FROM tickets WHERE job = p_job;
  FOR released IN
    DELETE FROM permits
    WHERE job = p_job AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = permits.attempt)
    RETURNING permits.*
  LOOP
    PERFORM append_refund(released.price_usd_micros, 0);
  END LOOP;
  DELETE FROM mailbox WHERE job = p_job AND kind = 'permit';
END $$;

-- Before the first byte. Nobody is to be paid beside a video that is made, so what was not sent yet is withdrawn: a copy may
-- take an hour, and nobody holds capacity for the case that it fails. One of:
--   go         there is no copy yet: make one;
--   kept       there is one already;
--   failed     it was found that there never will be one: here is why;
--   job_final  nobody waits for it any more.
CREATE FUNCTION begin_asset(p_job job_id, p_attempt integer, p_key text) RETURNS TABLE (verdict text, failure jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job   jobs%ROWTYPE;
  asset assets%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  SELECT * INTO asset FROM assets a WHERE a.job = p_job AND a.attempt = p_attempt;
  IF asset.stored_at IS NOT NULL AND asset.removed_at IS NULL THEN
    RETURN QUERY SELECT 'kept', NULL::jsonb;
  ELSIF job.id IS NULL OR job.finished_at IS NOT NULL THEN
    RETURN QUERY SELECT 'job_final', NULL::jsonb;
  ELSIF asset.failure IS NOT NULL THEN
    RETURN QUERY SELECT 'failed', asset.failure;
  ELSE
    PERFORM withdraw_unsent(p_job);
    -- A day: longer than any copy takes, and what a crash has left of one is gone after it.
    INSERT INTO assets (job, attempt, tenant, key, stored_at, expires_at)
    VALUES (p_job, p_attempt, job.tenant, p_key, NULL, clock_timestamp() + interval '1 day')
    ON CONFLICT (job, attempt) DO UPDATE SET expires_at = excluded.expires_at, removed_at = NULL;
    RETURN QUERY SELECT 'go', NULL::jsonb;
  END IF;
END $$;

-- The copy is whole: notes it, once. `job_final`: nobody waits for it any more, so the bytes may go.
CREATE FUNCTION keep_asset(
  p_job job_id, p_attempt integer, p_key text, p_content_type text, p_bytes bigint, p_sha256 bytea
) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job jobs%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  IF EXISTS (SELECT 1 FROM assets a
             WHERE a.job = p_job AND a.attempt = p_attempt AND stored_at IS NOT NULL AND removed_at IS NULL) THEN
    RETURN 'kept';
  END IF;
  IF job.id IS NULL OR job.finished_at IS NOT NULL THEN
    RETURN 'job_final';
  END IF;
  INSERT INTO assets (job, attempt, tenant, key, content_type, bytes, sha256, expires_at)
  SELECT p_job, p_attempt, job.tenant, p_key, p_content_type, p_bytes, p_sha256,
         clock_timestamp() + coalesce((SELECT asset_days_kept FROM tenants WHERE tenants.id = job.tenant), 30) * interval '1 day'
  ON CONFLICT (job, attempt) DO UPDATE
  SET key = excluded.key, content_type = excluded.content_type, bytes = excluded.bytes, sha256 = excluded.sha256,
      stored_at = excluded.stored_at, failure = NULL, expires_at = excluded.expires_at, removed_at = NULL;
  PERFORM append_event(p_job, 'asset.stored', jsonb_build_object('attempt', p_attempt, 'bytes', p_bytes));
  RETURN 'kept';
END $$;

-- There never will be a copy: notes why, once, for whoever asks again. `kept`: there is one after all.
CREATE FUNCTION fail_asset(p_job job_id, p_attempt integer, p_failure jsonb) RETURNS TABLE (verdict text, failure jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job   jobs%ROWTYPE;
  asset assets%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  SELECT * INTO asset FROM assets a WHERE a.job = p_job AND a.attempt = p_attempt;
  IF asset.stored_at IS NOT NULL AND asset.removed_at IS NULL THEN
    RETURN QUERY SELECT 'kept', NULL::jsonb;
  ELSIF asset.job IS NULL OR job.finished_at IS NOT NULL THEN
    RETURN QUERY SELECT 'job_final', NULL::jsonb;
  ELSE
    IF asset.failure IS NULL THEN
      UPDATE assets a SET failure = p_failure WHERE a.job = p_job AND a.attempt = p_attempt;
      PERFORM append_event(p_job, 'asset.failed', jsonb_build_object('attempt', p_attempt, 'failure', p_failure ->> 'code'));
    END IF;
    RETURN QUERY SELECT 'failed', coalesce(asset.failure, p_failure);
  END IF;
END $$;

-- The end of a job, once: compare and set. Returns the verdict that stands, which may be somebody else's. As before, and
-- `completed` only with the copy of its video.
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
  INSERT INTO job_events (job, seq, kind, data)
  VALUES (p_job, job.event_seq + 1, 'job.' || p_phase,
          jsonb_strip_nulls(jsonb_build_object('attempt', p_attempt, 'failure', p_failure ->> 'code')));
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

-- The failure codes got the names of the closed set. What was written before keeps its meaning under the new name.
UPDATE jobs SET failure = jsonb_set(failure, '{code}', to_jsonb(renamed.code))
FROM (VALUES ('submit_unknown', 'ambiguous_submit'), ('provider_unavailable', 'unreachable'), ('run_deadline', 'timed_out'),
             ('output_unusable', 'output_expired'), ('stopped_at_provider', 'provider_failed'),
             ('operation_missing', 'provider_failed')) AS renamed (old, code)
WHERE failure ->> 'code' = renamed.old;
UPDATE attempts SET failure = jsonb_set(failure, '{code}', to_jsonb(renamed.code))
FROM (VALUES ('submit_unknown', 'ambiguous_submit'), ('provider_unavailable', 'unreachable'), ('run_deadline', 'timed_out'),
             ('output_unusable', 'output_expired'), ('stopped_at_provider', 'provider_failed'),
             ('operation_missing', 'provider_failed')) AS renamed (old, code)
WHERE failure ->> 'code' = renamed.old;
