-- Up Migration

-- Growing old, and coming back from a backup. Expand only: a build of before writes no token by these functions and prunes
-- nothing, and can live with whatever this one does.

-- The token and the seed of an attempt are made of its name, by a secret that every backup has. So the row of an attempt that
-- was sent after the backup can be written once more, as it was: the vendor's callback finds it, and so does its list.
INSERT INTO signing_keys (id, secret)
VALUES ('attempts', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'))
ON CONFLICT DO NOTHING;

-- Hashed twice, so that nobody can lengthen what was hashed.
CREATE FUNCTION attempt_digest(p_job text, p_attempt integer) RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256(secret || sha256(secret || convert_to(p_job || '.' || p_attempt, 'UTF8'))) FROM signing_keys WHERE id = 'attempts'
$$;

-- The unguessable part of its callback URL: 256 bits of base64url.
CREATE FUNCTION attempt_token(p_job text, p_attempt integer) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT rtrim(translate(encode(attempt_digest(p_job, p_attempt), 'base64'), '+/', '-_'), '=')
$$;

-- Hashed once more: a seed is told to the vendor, and says nothing of the token.
CREATE FUNCTION attempt_seed(p_job text, p_attempt integer) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT ('x' || encode(substr(sha256(attempt_digest(p_job, p_attempt)), 1, 8), 'hex'))::bit(64)::bigint & 2147483647
$$;

-- What a vendor has, or told us of, that is in no ledger of ours: after a restore, or by a callback. Ids only. Bounded by
-- whoever writes it.
CREATE TABLE orphans (
  job          job_id NOT NULL,
  attempt      integer NOT NULL,
  provider     text NOT NULL,
  -- Null where only a callback spoke of it.
  target_name  text,
  -- What the vendor calls it. Null: nobody could tell yet.
  operation    text COLLATE "C",
  found_by     text NOT NULL CONSTRAINT found_by_is_known CHECK (found_by IN ('callback', 'restore')),
  -- What its last callback said: finished, failed, running.
  said         text,
  times        integer NOT NULL DEFAULT 1,
  first_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- It is an attempt of a job of ours since then.
  adopted_at   timestamptz,
  PRIMARY KEY (job, attempt, provider)
);

-- The place from which an attempt is sent: its ticket becomes the permit that its workflow was given, under the same number,
-- after a restore to a moment before. One of `restored`, `held`, `known`, `job_final`, `no_such_target`. May be called again.
CREATE FUNCTION restore_permit(p_job job_id, p_attempt integer, p_target integer, p_grant bigint) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job       jobs%ROWTYPE;
  target    jsonb;
  place     tickets%ROWTYPE;
  price     bigint;
  reserved  bigint;
  missing   bigint := 0;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job;
  -- Budgets before jobs, as everywhere.
  PERFORM hold_budgets(ARRAY[job.tenant], ARRAY[budget_day(job.accepted_at)]);
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  target := job.route -> p_target;
  IF job.id IS NULL OR job.finished_at IS NOT NULL THEN
    RETURN 'job_final';
  ELSIF target IS NULL THEN
    RETURN 'no_such_target';
  ELSIF EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = p_attempt) THEN
    RETURN 'known';
  ELSIF EXISTS (SELECT 1 FROM permits WHERE permits.job = p_job AND permits.attempt = p_attempt) THEN
    RETURN 'held';
  END IF;
  DELETE FROM tickets WHERE tickets.job = p_job AND tickets.attempt <= p_attempt RETURNING * INTO place;
  price := (target ->> 'priceUsdMicros')::bigint;
  reserved := CASE WHEN place.id IS NULL THEN job.held_usd_micros ELSE place.reserved_usd_micros END;
  IF EXISTS (SELECT 1 FROM tenants WHERE tenants.id = job.tenant
               AND (day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL)) THEN
    missing := greatest(coalesce(price, 0) - coalesce(reserved, 0), 0);
    PERFORM reserve_spending(job.tenant, budget_day(job.accepted_at), missing);
    reserved := coalesce(reserved, 0) + missing;
  END IF;
  UPDATE jobs SET dispatched_at = coalesce(dispatched_at, clock_timestamp()),
                  held_usd_micros = CASE WHEN place.id IS NULL THEN NULL ELSE held_usd_micros END
  WHERE id = p_job;
  UPDATE budgets SET committed_usd_micros = committed_usd_micros + coalesce(price, 0)
  WHERE id = 'global' AND cap_usd_micros IS NOT NULL;
  INSERT INTO permits (grant_id, job, attempt, pool, target, target_name, start_at, price_usd_micros, reserved_usd_micros)
  OVERRIDING SYSTEM VALUE
  VALUES (p_grant, p_job, p_attempt, target ->> 'pool', p_target, target ->> 'name', clock_timestamp(), price, reserved)
  ON CONFLICT (grant_id) DO NOTHING;
  -- Somebody has granted again since the restore, and the number is taken. The next ones may be too, by those that were just
  -- written once more.
  WHILE NOT FOUND LOOP
    INSERT INTO permits (job, attempt, pool, target, target_name, start_at, price_usd_micros, reserved_usd_micros)
    VALUES (p_job, p_attempt, target ->> 'pool', p_target, target ->> 'name', clock_timestamp(), price, reserved)
    ON CONFLICT (grant_id) DO NOTHING;
  END LOOP;
  RETURN 'restored';
END $$;

-- The ledger's row of an attempt that was sent, written once more after a restore to a moment before: its workflow remembers
-- it. Ambiguous until somebody names its operation. `go` where it was written now; else what `restore_permit` or
-- `begin_attempt` has to say. Nothing is ever sent for it: whoever asks `begin_attempt` again is answered `unknown`.
CREATE FUNCTION restore_attempt(
  p_job job_id, p_attempt integer, p_target integer, p_grant bigint, p_submitted_at timestamptz, p_run_budget interval
) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  answer   text := restore_permit(p_job, p_attempt, p_target, p_grant);
  target   jsonb;
  own_seed boolean;
  grant_   bigint;
  wish     timestamptz;
BEGIN
  IF answer NOT IN ('restored', 'held') THEN
    RETURN answer;
  END IF;
  SELECT route -> p_target, request -> 'seed' IS NOT NULL, cancel_requested_at INTO target, own_seed, wish FROM jobs WHERE id = p_job;
  -- Whoever wants the job cancelled since the restore did not unsend it: it is in the ledger, and is stopped by that.
  UPDATE jobs SET cancel_requested_at = NULL WHERE id = p_job AND wish IS NOT NULL;
  SELECT grant_id INTO grant_ FROM permits WHERE permits.job = p_job AND permits.attempt = p_attempt;
  SELECT verdict INTO answer FROM begin_attempt(
    p_job, p_attempt, grant_, target ->> 'name', target ->> 'provider', attempt_token(p_job, p_attempt),
    CASE WHEN own_seed THEN NULL ELSE attempt_seed(p_job, p_attempt) END, p_run_budget);
  UPDATE jobs SET cancel_requested_at = wish WHERE id = p_job AND wish IS NOT NULL;
  IF answer <> 'go' THEN
    RETURN answer;
  END IF;
  UPDATE attempts SET submitted_at = p_submitted_at WHERE attempts.job = p_job AND attempts.attempt = p_attempt;
  UPDATE jobs SET started_at = least(started_at, p_submitted_at), run_deadline = least(run_deadline, p_submitted_at + p_run_budget)
  WHERE id = p_job;
  PERFORM lose_answer(p_job, p_attempt);
  RETURN 'go';
END $$;

-- What pruned jobs were and cost: all that `GET /v1/usage` still asks of them. A row for each tenant, day of acceptance, model
-- and provider: `jobs` where they ended and with which phase, `attempts` where they were made.
CREATE TABLE pruned_usage (
  tenant      text COLLATE "C" NOT NULL,
  day         date NOT NULL,
  model       text NOT NULL,
  -- Empty: no provider was asked.
  provider    text NOT NULL,
  -- Empty: the attempts of these jobs.
  phase       text NOT NULL,
  jobs        bigint NOT NULL DEFAULT 0,
  seconds     double precision NOT NULL DEFAULT 0,
  attempts    bigint NOT NULL DEFAULT 0,
  usd_micros  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, day, model, provider, phase)
);

-- The least id that a job may have which was accepted then: ids begin with their time.
CREATE FUNCTION least_job_id(p_at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT 'video_' || overlay(lpad(to_hex((extract(epoch FROM p_at) * 1000)::bigint), 12, '0') PLACING '-' FROM 9 FOR 0)
$$;

-- How far pruning has looked: those that may not go yet are not looked at again before all others were. Empty: from the oldest.
CREATE TABLE prune_position (
  is_one    boolean PRIMARY KEY DEFAULT true CHECK (is_one),
  last_job  text COLLATE "C" NOT NULL
);

-- Forgets up to p_count jobs that ended before p_before, the oldest first, with all that hangs on them, and adds what they
-- cost to pruned_usage in the same transaction. `seen`: how many were looked at, so that the caller knows where the end is,
-- null where somebody else prunes, as one does at a time; `last`: where to go on. By the key alone, in which jobs lie by their age: no
-- index is kept for it. None goes that anything is still to be done for: a permit, a webhook, an open attempt, bytes that lie
-- somewhere, a deletion under way. Keys go before their jobs: they are kept for 30 days, and jobs for longer.
CREATE FUNCTION prune_jobs(p_before timestamptz, p_after text, p_count integer)
RETURNS TABLE (pruned integer, seen integer, last text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  due  text[];
BEGIN
  pruned := 0;
  IF NOT pg_try_advisory_xact_lock(hashtext('spillway prune')) THEN
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT coalesce(array_agg(page.id ORDER BY page.id) FILTER (WHERE page.is_due), '{}'), count(*), max(page.id COLLATE "C")
  INTO due, seen, last
  FROM (
    SELECT jobs.id::text AS id, jobs.finished_at < p_before
             AND (jobs.input_removed_at IS NOT NULL OR (jobs.input_image IS NULL AND jobs.input_url IS NULL))
             AND NOT EXISTS (SELECT FROM permits p WHERE p.job = jobs.id)
             AND NOT EXISTS (SELECT FROM tickets t WHERE t.job = jobs.id)
             AND NOT EXISTS (SELECT FROM mailbox m WHERE m.job = jobs.id)
             AND NOT EXISTS (SELECT FROM attempts a WHERE a.job = jobs.id AND a.ended_at IS NULL)
             AND NOT EXISTS (SELECT FROM assets s WHERE s.job = jobs.id AND s.removed_at IS NULL)
             AND NOT EXISTS (SELECT FROM erasures e WHERE e.job = jobs.id AND e.closed_at IS NULL)
             AND NOT EXISTS (SELECT FROM webhook_deliveries w WHERE w.job = jobs.id) AS is_due
    FROM jobs
    WHERE jobs.id > p_after AND jobs.id < least_job_id(p_before)
    ORDER BY jobs.id
    LIMIT p_count
  ) AS page;
  -- Who is at one of them at this moment keeps it: the next run takes it.
  SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO due
  FROM (
    SELECT jobs.id::text AS id FROM jobs
    -- One that was deleted since the look above has its receipt to give.
    WHERE jobs.id = ANY (due)
      AND (jobs.erase_requested_at IS NULL
           OR EXISTS (SELECT FROM erasures e WHERE e.job = jobs.id AND e.closed_at IS NOT NULL))
    ORDER BY jobs.id
    FOR UPDATE SKIP LOCKED
  ) AS free;

  INSERT INTO pruned_usage AS kept (tenant, day, model, provider, phase, jobs, seconds, attempts, usd_micros)
  SELECT tenant, day, model, provider, phase, sum(jobs), sum(seconds), sum(attempts), sum(usd_micros)
  FROM (
    SELECT jobs.tenant, budget_day(jobs.accepted_at) AS day, jobs.model,
           coalesce(served.provider, asked.provider, '') AS provider, jobs.phase,
           1 AS jobs, CASE WHEN jobs.phase = 'completed' THEN coalesce((jobs.request ->> 'seconds')::float8, 0) ELSE 0 END AS seconds,
           0 AS attempts, 0::bigint AS usd_micros
    FROM jobs
    LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
    LEFT JOIN LATERAL (SELECT a.provider FROM attempts a WHERE a.job = jobs.id ORDER BY a.attempt DESC LIMIT 1) AS asked ON true
    WHERE jobs.id = ANY (due)
    UNION ALL
    SELECT jobs.tenant, budget_day(jobs.accepted_at), jobs.model, a.provider, '', 0, 0, 1, coalesce(a.cost_usd_micros, 0)
    FROM jobs JOIN attempts a ON a.job = jobs.id
    WHERE jobs.id = ANY (due)
  ) AS parts
  GROUP BY 1, 2, 3, 4, 5
  ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (tenant, day, model, provider, phase) DO UPDATE
  SET jobs = kept.jobs + excluded.jobs, seconds = kept.seconds + excluded.seconds,
      attempts = kept.attempts + excluded.attempts, usd_micros = kept.usd_micros + excluded.usd_micros;

  DELETE FROM job_events WHERE job = ANY (due);
  DELETE FROM callback_inbox WHERE job = ANY (due);
  DELETE FROM assets WHERE job = ANY (due);
  DELETE FROM attempts WHERE job = ANY (due);
  DELETE FROM erasures WHERE job = ANY (due);
  DELETE FROM jobs WHERE id = ANY (due);
  pruned := cardinality(due);
  RETURN NEXT;
END $$;

-- Of an unlogged table, as its sequence was too. One that a standby has replayed and not yet written to disk is empty after its
-- promotion ("bad magic number in sequence"), and then no attempt could end any more. The table may be empty; its sequence not.
ALTER SEQUENCE end_tally_id_seq SET LOGGED;
