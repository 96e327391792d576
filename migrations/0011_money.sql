-- Up Migration

-- Budgets of tenants, by the day and the month of UTC in which a job was accepted: there it counts, whatever it does later
-- and whenever. What it is expected to cost is reserved when it is accepted. The reservation stays with the job until it
-- ends: it travels from the ticket to the permit to the attempt, and what an attempt did not cost waits on the job for the
-- next one. Null everywhere: it counts under no budget, since its tenant had none.

-- What is committed: reserved and spent. Rows of tenants that have, or had, a budget. Locked in the order of the key, after
-- a pool and before any job.
CREATE TABLE spending (
  tenant                text COLLATE "C" NOT NULL,
  period                text COLLATE "C" NOT NULL CONSTRAINT period_is_known CHECK (period IN ('day', 'month')),
  starts_on             date NOT NULL,
  committed_usd_micros  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, period, starts_on)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- What came back: appended by whoever ends something, and folded into spending once a second, so that no end waits for
-- those who accept. Below zero where an end cost more than was reserved for it.
CREATE TABLE spending_refunds (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant      text COLLATE "C" NOT NULL,
  on_day      date NOT NULL,
  usd_micros  bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- Whether there is anybody with a budget is asked by every grant pass.
CREATE INDEX tenants_with_budgets ON tenants (id)
  WHERE day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL;

ALTER TABLE tickets
  ADD COLUMN reserved_usd_micros bigint,
  -- When last looked at, its tenant's budgets had no room for what it needs beyond that.
  ADD COLUMN over_budget boolean NOT NULL DEFAULT false;
ALTER TABLE permits ADD COLUMN reserved_usd_micros bigint;
ALTER TABLE attempts
  ADD COLUMN reserved_usd_micros bigint,
  -- What its target bills beside a video, as its route had it (domain/route.ts).
  ADD COLUMN bills jsonb;
ALTER TABLE jobs
  -- Reserved, and of none of its tickets, permits and attempts at the moment.
  ADD COLUMN held_usd_micros bigint;

-- The day of UTC.
CREATE FUNCTION budget_day(p_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE AS $$ SELECT (p_at AT TIME ZONE 'UTC')::date $$;

-- Takes the lock of the budgets of these tenants on these days, and of the months around them, and says what is left of
-- each; null: as much as there is. Tenants without a budget are left out. The caller reads on in the same statement: what
-- this returns is current all the same, for a function that is volatile has a snapshot of its own after each wait.
CREATE FUNCTION hold_budgets(p_tenants text[], p_days date[])
RETURNS TABLE (tenant text, period text, starts_on date, left_usd_micros bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  wanted record;
  committed bigint;
BEGIN
  FOR wanted IN
    SELECT DISTINCT tenants.id COLLATE "C" AS tenant, its.period COLLATE "C" AS period, its.starts_on, its.budget
    FROM unnest(p_tenants, p_days) AS asked(tenant, day)
    JOIN tenants ON tenants.id = asked.tenant
    CROSS JOIN LATERAL (VALUES
      ('day', asked.day, tenants.day_budget_usd_micros),
      ('month', date_trunc('month', asked.day::timestamp)::date, tenants.month_budget_usd_micros)) AS its(period, starts_on, budget)
    WHERE tenants.day_budget_usd_micros IS NOT NULL OR tenants.month_budget_usd_micros IS NOT NULL
    ORDER BY 1, 2, 3
  LOOP
    LOOP
      SELECT s.committed_usd_micros INTO committed FROM spending s
      WHERE s.tenant = wanted.tenant AND s.period = wanted.period AND s.starts_on = wanted.starts_on
      FOR NO KEY UPDATE;
      EXIT WHEN FOUND;
      -- The first of a new day. Whoever is faster has made the row that we read next.
      INSERT INTO spending (tenant, period, starts_on) VALUES (wanted.tenant, wanted.period, wanted.starts_on)
      ON CONFLICT DO NOTHING;
    END LOOP;
    tenant := wanted.tenant;
    period := wanted.period;
    starts_on := wanted.starts_on;
    left_usd_micros := wanted.budget - committed;
    RETURN NEXT;
  END LOOP;
END $$;

-- Adds to what a tenant has committed. The caller holds its budgets.
CREATE FUNCTION reserve_spending(p_tenant text, p_day date, p_usd_micros bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE spending SET committed_usd_micros = committed_usd_micros + p_usd_micros
  WHERE tenant = p_tenant AND period = 'day' AND starts_on = p_day;
  UPDATE spending SET committed_usd_micros = committed_usd_micros + p_usd_micros
  WHERE tenant = p_tenant AND period = 'month' AND starts_on = date_trunc('month', p_day::timestamp)::date;
END $$;

-- Which of the jobs that are to be accepted fit what their tenants' budgets leave, in the order of their ids; a row for each
-- job of a tenant that has a budget, and none for others:
--   fits           and `left_usd_micros` is what the tightest budget leaves without it;
--   standing       the job exists already, or one stands under its key: no budget has a say in that;
--   over_budget    of `period`, which leaves only `left_usd_micros`;
--   price_unknown  so no budget can be kept.
-- Holds the budgets, so whoever accepts for the same tenants waits until these jobs are in. Reserves nothing yet.
CREATE FUNCTION admit_jobs(p_ids text[], p_tenants text[], p_keys text[], p_prices bigint[])
RETURNS TABLE (id text, day date, verdict text, period text, starts_on date, left_usd_micros bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  budget      record;
  job         record;
  keys_taken  text[];
  id_taken    text;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM tenants
                 WHERE tenants.id = ANY (p_tenants)
                   AND (tenants.day_budget_usd_micros IS NOT NULL OR tenants.month_budget_usd_micros IS NOT NULL)) THEN
    RETURN;
  END IF;
  -- The day of acceptance, by the same clock: the job's own `accepted_at` is now() too.
  day := budget_day(now());
  FOR budget IN
    SELECT held.tenant,
           max(held.left_usd_micros) FILTER (WHERE held.period = 'day') AS day_left,
           max(held.left_usd_micros) FILTER (WHERE held.period = 'month') AS month_left,
           max(held.starts_on) FILTER (WHERE held.period = 'month') AS month
    FROM hold_budgets(p_tenants, array_fill(day, ARRAY[cardinality(p_tenants)])) AS held
    GROUP BY held.tenant
  LOOP
    keys_taken := '{}';
    id_taken := NULL;
    FOR job IN
      SELECT asked.id, asked.key, asked.price,
             EXISTS (SELECT 1 FROM jobs WHERE jobs.id = asked.id)
               OR EXISTS (SELECT 1 FROM idempotency_keys k WHERE k.tenant = budget.tenant AND k.key = asked.key) AS is_standing
      FROM unnest(p_ids, p_tenants, p_keys, p_prices) AS asked(id, tenant, key, price)
      WHERE asked.tenant = budget.tenant
      ORDER BY asked.id COLLATE "C"
    LOOP
      id := job.id;
      period := CASE WHEN job.price > budget.day_left THEN 'day' WHEN job.price > budget.month_left THEN 'month' END;
      starts_on := CASE period WHEN 'day' THEN day WHEN 'month' THEN budget.month END;
      left_usd_micros := CASE period WHEN 'day' THEN budget.day_left WHEN 'month' THEN budget.month_left
                                     ELSE least(budget.day_left, budget.month_left) END;
      -- Also twice in the same batch: tries of one request have one id.
      IF job.is_standing OR job.id = id_taken OR job.key = ANY (keys_taken) THEN
        verdict := 'standing';
      ELSIF job.price IS NULL THEN
        verdict := 'price_unknown';
      ELSIF period IS NOT NULL THEN
        verdict := 'over_budget';
      ELSE
        verdict := 'fits';
        id_taken := job.id;
        budget.day_left := budget.day_left - job.price;
        budget.month_left := budget.month_left - job.price;
        keys_taken := CASE WHEN job.key IS NULL THEN keys_taken ELSE keys_taken || job.key END;
      END IF;
      RETURN NEXT;
    END LOOP;
  END LOOP;
END $$;

CREATE INDEX spending_refunds_of_tenant ON spending_refunds (tenant, id);

-- Folds what came back into what is committed, of these tenants, or of all. Returns how many refunds there were.
CREATE FUNCTION fold_spending_refunds(p_count integer, p_tenants text[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  taken  bigint[];
  sums   record;
BEGIN
  SELECT array_agg(due.id) INTO taken
  FROM (SELECT id FROM spending_refunds WHERE p_tenants IS NULL OR tenant = ANY (p_tenants)
        ORDER BY id LIMIT p_count FOR UPDATE SKIP LOCKED) AS due;
  FOR sums IN
    SELECT refund.tenant, its.period COLLATE "C" AS period, its.starts_on, sum(refund.usd_micros) AS usd_micros
    FROM spending_refunds refund
    CROSS JOIN LATERAL (VALUES
      ('day', refund.on_day), ('month', date_trunc('month', refund.on_day::timestamp)::date)) AS its(period, starts_on)
    WHERE refund.id = ANY (taken)
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
  LOOP
    UPDATE spending s SET committed_usd_micros = s.committed_usd_micros - sums.usd_micros
    WHERE s.tenant = sums.tenant AND s.period = sums.period AND s.starts_on = sums.starts_on;
  END LOOP;
  DELETE FROM spending_refunds WHERE id = ANY (taken);
  RETURN coalesce(cardinality(taken), 0);
END $$;

-- What was reserved for a job and is not needed where it was: it waits for the job's next attempt, and comes back to the
-- budget once the job is final. What was too little goes to the budget at once. The caller holds the job's lock.
CREATE FUNCTION give_back(p_job job_id, p_usd_micros bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(p_usd_micros, 0) = 0 THEN
    RETURN;
  END IF;
  UPDATE jobs SET held_usd_micros = coalesce(held_usd_micros, 0) + p_usd_micros
  WHERE id = p_job AND finished_at IS NULL AND p_usd_micros > 0;
  IF NOT FOUND THEN
    INSERT INTO spending_refunds (tenant, on_day, usd_micros)
    SELECT tenant, budget_day(accepted_at), p_usd_micros FROM jobs WHERE id = p_job;
  END IF;
END $$;

-- Whether a vendor bills an attempt that ended so. A video is billed, and what was refused before anything was created is
-- not. For the rest the target's own word counts, and where it has none: a failure that was reported costs nothing, and
-- what nobody has heard the end of costs as much as a video.
CREATE FUNCTION is_billed(p_bills jsonb, p_evidence text, p_outcome text, p_code text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN p_outcome = 'finished' THEN true
    WHEN p_evidence = 'refusal' THEN false
    WHEN p_evidence = 'stop' THEN coalesce(p_bills ->> 'cancelled', 'full') = 'full'
    WHEN p_outcome = 'lost' OR p_evidence = 'longest_duration' THEN coalesce(p_bills ->> 'abandoned', 'full') = 'full'
    WHEN p_code IN ('moderation', 'invalid_input', 'media_fetch') THEN coalesce(p_bills ->> 'refused', 'none') = 'full'
    ELSE coalesce(p_bills ->> 'failed', 'none') = 'full'
  END
$$;

-- What the attempts of a job may still cost under its `max_cost_usd`. Null: as much as they like. What is under way counts
-- in full.
CREATE FUNCTION cost_room(p_job job_id) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT round((request ->> 'max_cost_usd')::numeric * 1000000)::bigint
    - coalesce((SELECT sum(CASE WHEN a.ended_at IS NULL THEN a.price_usd_micros ELSE a.cost_usd_micros END)::bigint
                FROM attempts a WHERE a.job = p_job), 0)
    - coalesce((SELECT sum(p.price_usd_micros)::bigint FROM permits p
                WHERE p.job = p_job AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p.job AND a.attempt = p.attempt)), 0)
  FROM jobs WHERE id = p_job
$$;

-- What was asked for and never sent. As before, and what was reserved for it stays with the job, or comes back.
CREATE OR REPLACE FUNCTION withdraw_unsent(p_job job_id) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  dropped  tickets%ROWTYPE;
  released permits%ROWTYPE;
BEGIN
  FOR dropped IN DELETE FROM tickets WHERE job = p_job RETURNING tickets.* LOOP
    PERFORM give_back(p_job, dropped.reserved_usd_micros);
  END LOOP;
  FOR released IN
    DELETE FROM permits
    WHERE job = p_job AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = permits.attempt)
    RETURNING permits.*
  LOOP
    PERFORM append_refund(released.price_usd_micros, 0);
    PERFORM give_back(p_job, released.reserved_usd_micros);
  END LOOP;
  DELETE FROM mailbox WHERE job = p_job AND kind = 'permit';
END $$;

-- Before the POST. As before, and says whose event it is; the attempt knows what is reserved for it and what its target bills.
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

  INSERT INTO attempts (job, attempt, tenant, pool, target, target_name, provider, overlap, token, seed, price_usd_micros,
                        reserved_usd_micros, bills)
  VALUES (p_job, p_attempt, job.tenant, permit.pool, permit.target, p_target_name, p_provider,
          EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.ended_at IS NULL),
          p_token, p_seed, permit.price_usd_micros,
          permit.reserved_usd_micros, job.route -> permit.target::int -> 'bills');
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

-- Proof that the provider is done with an attempt. As before, but its cost is what its target bills for such an end.
CREATE OR REPLACE FUNCTION end_attempt(
  p_job job_id, p_attempt integer, p_evidence text, p_outcome text,
  p_operation text, p_video_url text, p_failure jsonb
) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ledger   attempts%ROWTYPE;
  released permits%ROWTYPE;
  cost     bigint;
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

  -- What is billed at a price that nobody knows has a cost that nobody knows.
  cost := CASE WHEN is_billed(ledger.bills, p_evidence, p_outcome, p_failure ->> 'code') THEN ledger.price_usd_micros ELSE 0 END;
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
  DELETE FROM permits WHERE job = p_job AND attempt = p_attempt RETURNING * INTO released;
  IF p_evidence = 'refusal' AND p_failure ->> 'code' = 'rate_limited' AND released.grant_id IS NOT NULL THEN
    INSERT INTO throttles (pool, dimension, granted_at, retry_after_ms)
    VALUES (released.pool, coalesce(p_failure ->> 'limit', 'rate'), released.granted_at, (p_failure ->> 'retryAfterMs')::float8);
  END IF;
  PERFORM append_refund(ledger.price_usd_micros, cost);
  PERFORM give_back(p_job, ledger.reserved_usd_micros - coalesce(cost, 0));
  PERFORM append_event(p_job, 'attempt.ended', jsonb_strip_nulls(jsonb_build_object(
    'attempt', p_attempt, 'outcome', p_outcome, 'evidence', p_evidence, 'failure', p_failure ->> 'code')));
  RETURN true;
END $$;

-- The end of a job, once. As before, and says whose event it is; what was held for its next attempt comes back to the budget.
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
      held_usd_micros = NULL,
      event_seq = event_seq + 1
  WHERE id = p_job;
  INSERT INTO job_events (job, seq, kind, data, tenant)
  VALUES (p_job, job.event_seq + 1, 'job.' || p_phase,
          jsonb_strip_nulls(jsonb_build_object('attempt', p_attempt, 'failure', p_failure ->> 'code')), job.tenant);
  PERFORM give_back(p_job, job.held_usd_micros);
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

-- The place of a further attempt in the queue, by the job's own route. As before; it takes along what is held for it, and
-- one that the job's `max_cost_usd` does not allow, or that has no price where its tenant has a budget, is `too_dear`.
CREATE OR REPLACE FUNCTION queue_attempt(p_job job_id, p_attempt integer, p_target integer, p_kind text, p_wait interval) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job    jobs%ROWTYPE;
  target jsonb;
  price  bigint;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  target := job.route -> p_target;
  IF job.id IS NULL OR job.finished_at IS NOT NULL OR target IS NULL THEN
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
  -- Its last live sibling has ended meanwhile: the same ticket is no overlap any more.
  IF EXISTS (SELECT 1 FROM tickets WHERE tickets.job = p_job) THEN
    UPDATE tickets SET kind = 'retry' WHERE tickets.job = p_job AND kind = 'overlap' AND p_kind = 'retry';
    IF FOUND THEN
      PERFORM append_event(p_job, 'attempt.queued', jsonb_build_object('attempt', p_attempt, 'target', p_target, 'kind', p_kind));
    END IF;
    RETURN 'queued';
  END IF;
  price := (target ->> 'priceUsdMicros')::bigint;
  IF price > cost_room(p_job)
     OR (price IS NULL AND EXISTS (SELECT 1 FROM tenants WHERE tenants.id = job.tenant
                                     AND (day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL))) THEN
    RETURN 'too_dear';
  END IF;
  INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, not_before, parked,
                       spill_at, queue_deadline, price_usd_micros, reserved_usd_micros, left_target)
  VALUES (p_job, p_attempt, job.tenant, coalesce(job.request ->> 'user', ''), target ->> 'pool', p_target, target ->> 'name',
          job.priority, p_kind, job.accepted_at, clock_timestamp() + p_wait, p_wait > interval '0',
          coalesce(clock_timestamp() + p_wait + (target ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity'),
          coalesce(job.run_deadline, job.queue_deadline), price, job.held_usd_micros,
          CASE WHEN p_kind = 'overlap' THEN
            (SELECT a.target_name FROM attempts a WHERE a.job = p_job AND a.ended_at IS NULL ORDER BY a.attempt DESC LIMIT 1) END);
  UPDATE jobs SET held_usd_micros = NULL WHERE id = p_job AND held_usd_micros IS NOT NULL;
  PERFORM append_event(p_job, 'attempt.queued', jsonb_build_object('attempt', p_attempt, 'target', p_target, 'kind', p_kind));
  RETURN 'queued';
END $$;
