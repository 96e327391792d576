-- Up Migration

-- What operators do to a single job. Expand only: a worker of the release before calls none of it.

-- Notes a repair, once for each request, and does what of it is the database's alone: gives a job more time, and says of what
-- may still be paid that it may be paid beside another one (`p_force`), and of these attempts that their copy is given up
-- (`p_copies`). A video that is paid for is given up only where another one can be bought at `p_target`: that is looked at first,
-- and where not, nothing is written. One of:
--   noted      by this call, or by one before it of the same run, whose answer was lost;
--   repeated   by an earlier run of the same workflow, as after a reset: it has had its effect;
--   kept       a video of the job is ours already;
--   exhausted  it has had as many attempts as one may;
--   too_dear   another one at `p_target` would cost more than the job may, as queue_attempt has it;
--   no_budget  a copy would be given up, and the budgets leave no room for another video: it would wait for them in vain;
--   job_final  nothing is left to repair.
-- `by_ms` is by how much the run deadline moved, and `ends_at` the moment by which the job has to be begun, or to end, now.
CREATE FUNCTION note_repair(
  p_job job_id, p_request text, p_run text, p_repair text, p_actor text, p_reason text, p_detail jsonb,
  p_extension interval, p_span_max interval, p_force boolean, p_target integer, p_copies integer[], p_attempts_max integer
) RETURNS TABLE (verdict text, by_ms double precision, ends_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job      jobs%ROWTYPE;
  before   operator_actions%ROWTYPE;
  action   bigint;
  moved    interval := interval '0';
  risked   jsonb;
  copy     integer;
  hindered text;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  SELECT * INTO before FROM operator_actions WHERE request = p_request;
  IF FOUND THEN
    RETURN QUERY SELECT CASE WHEN before.detail ->> 'run' = p_run THEN 'noted' ELSE 'repeated' END,
                        coalesce((before.detail ->> 'byMs')::double precision, 0), coalesce(job.run_deadline, job.queue_deadline);
    RETURN;
  END IF;
  IF job.id IS NULL OR job.finished_at IS NOT NULL THEN
    RETURN QUERY SELECT 'job_final', 0::double precision, job.finished_at;
    RETURN;
  END IF;

  IF p_force THEN
    hindered := hindrance_of_force(p_job, p_target, p_copies, p_attempts_max);
    IF hindered IS NOT NULL THEN
      RETURN QUERY SELECT hindered, 0::double precision, coalesce(job.run_deadline, job.queue_deadline);
      RETURN;
    END IF;
  END IF;

  IF p_extension > interval '0' THEN
    moved := greatest(interval '0', least(p_extension,
      clock_timestamp() + p_span_max - coalesce(job.run_deadline, job.queue_deadline)));
    UPDATE jobs
    SET run_deadline = run_deadline + moved,
        queue_deadline = CASE WHEN run_deadline IS NULL THEN queue_deadline + moved ELSE queue_deadline END
    WHERE id = p_job RETURNING * INTO job;
    UPDATE tickets SET queue_deadline = coalesce(job.run_deadline, job.queue_deadline) WHERE job = p_job;
  END IF;
  IF p_force THEN
    WITH at_stake AS (
      UPDATE attempts SET possible_duplicate = true
      WHERE attempts.job = p_job AND (ended_at IS NULL OR (outcome = 'finished' AND NOT EXISTS (
        SELECT 1 FROM assets a WHERE a.job = p_job AND a.attempt = attempts.attempt AND a.failure IS NOT NULL)))
      RETURNING attempts.attempt
    )
    SELECT jsonb_agg(attempt ORDER BY attempt) INTO risked FROM at_stake;
    -- As when the copy begins, which it may never have: the workflow has taken back what it had not sent.
    IF cardinality(p_copies) > 0 THEN
      PERFORM withdraw_unsent(p_job);
    END IF;
    -- Nothing was written under the key of one that was not begun, so nothing is there to remove.
    INSERT INTO assets (job, attempt, tenant, key, stored_at, expires_at, removed_at)
    SELECT p_job, a.attempt, job.tenant, '', NULL, clock_timestamp(), clock_timestamp()
    FROM attempts a WHERE a.job = p_job AND a.attempt = ANY(p_copies) AND a.outcome = 'finished'
    ORDER BY a.attempt
    ON CONFLICT (job, attempt) DO NOTHING;
    FOREACH copy IN ARRAY p_copies LOOP
      PERFORM fail_asset(p_job, copy, jsonb_build_object('code', 'output_expired', 'retry', 'elsewhere'));
    END LOOP;
  END IF;

  INSERT INTO operator_actions (actor, action, subject, reason, detail, request)
  VALUES (p_actor, p_repair, p_job, p_reason, jsonb_strip_nulls(p_detail || jsonb_build_object(
    'run', p_run, 'byMs', CASE WHEN p_extension > interval '0' AND job.run_deadline IS NOT NULL
                               THEN round(extract(epoch FROM moved) * 1000) END, 'possibleDuplicates', risked)), p_request);
  -- The tenant sees that it was done, and which attempts may be paid beside another one; not by whom, nor why.
  PERFORM append_event(p_job, 'job.repaired', jsonb_strip_nulls(jsonb_build_object(
    'repair', p_repair, 'possible_duplicates', risked)));
  RETURN QUERY SELECT 'noted', CASE WHEN job.run_deadline IS NULL THEN 0 ELSE extract(epoch FROM moved) * 1000 END::double precision,
                      coalesce(job.run_deadline, job.queue_deadline);
END $$;

-- Why another attempt can't be bought at a target of the job's route beside what may still be paid, under the lock of the job.
-- Null: it can. What was not sent yet is withdrawn with a copy that is given up, so what it would cost is room.
CREATE FUNCTION hindrance_of_force(p_job job_id, p_target integer, p_copies integer[], p_attempts_max integer) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  price  bigint;
  room   bigint;
  unsent bigint;
  bound  boolean;
BEGIN
  IF EXISTS (SELECT 1 FROM assets a WHERE a.job = p_job AND a.stored_at IS NOT NULL AND a.removed_at IS NULL) THEN
    RETURN 'kept';
  ELSIF (SELECT max(a.attempt) FROM attempts a WHERE a.job = p_job) >= p_attempts_max THEN
    RETURN 'exhausted';
  END IF;
  SELECT (jobs.route -> p_target ->> 'priceUsdMicros')::bigint, cost_room(p_job), is_capped() OR EXISTS (
           SELECT 1 FROM tenants WHERE tenants.id = jobs.tenant
             AND (day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL))
  INTO price, room, bound FROM jobs WHERE jobs.id = p_job;
  SELECT coalesce(sum(p.price_usd_micros), 0)::bigint INTO unsent FROM permits p
  WHERE cardinality(p_copies) > 0 AND p.job = p_job
    AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p.job AND a.attempt = p.attempt);
  IF price > room + unsent OR (price IS NULL AND bound) THEN
    RETURN 'too_dear';
  ELSIF cardinality(p_copies) > 0 AND price > budget_room(p_job) THEN
    RETURN 'no_budget';
  END IF;
  RETURN NULL;
END $$;

-- Whether all jobs together may spend no more than the operator's cap. It can't be kept without a price.
CREATE FUNCTION is_capped() RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL)
$$;

-- What one more attempt of a job may cost by the budgets of its tenant and by the cap of all, with what is reserved for it,
-- and what was not sent withdrawn. Null: as much as it likes. Read, and not held, for their locks come before the job's: whoever
-- is faster takes the room, and then it waits.
CREATE FUNCTION budget_room(p_job job_id) RETURNS bigint
LANGUAGE sql STABLE AS $$
  WITH unsent AS (
    SELECT coalesce(sum(reserved_usd_micros), 0)::bigint AS reserved, coalesce(sum(price_usd_micros), 0)::bigint AS price
    FROM permits WHERE job = p_job AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p_job AND a.attempt = permits.attempt)
  ), committed AS (
    SELECT its.period, coalesce(spending.committed_usd_micros, 0) AS usd_micros
    FROM jobs CROSS JOIN LATERAL (VALUES
      ('day', budget_day(jobs.accepted_at)),
      ('month', date_trunc('month', budget_day(jobs.accepted_at)::timestamp)::date)) AS its(period, starts_on)
    LEFT JOIN spending ON spending.tenant = jobs.tenant AND spending.period = its.period COLLATE "C"
      AND spending.starts_on = its.starts_on
    WHERE jobs.id = p_job
  )
  SELECT least(
    coalesce(jobs.held_usd_micros, 0) + unsent.reserved
      + coalesce((SELECT sum(reserved_usd_micros)::bigint FROM tickets WHERE job = p_job), 0)
      + least(tenants.day_budget_usd_micros - (SELECT usd_micros FROM committed WHERE period = 'day'),
              tenants.month_budget_usd_micros - (SELECT usd_micros FROM committed WHERE period = 'month')),
    unsent.price + (SELECT cap_usd_micros - committed_usd_micros
                      + coalesce((SELECT sum(usd_micros)::bigint FROM refunds WHERE budget = 'global'), 0)
                    FROM budgets WHERE id = 'global'))
  FROM jobs CROSS JOIN unsent LEFT JOIN tenants ON tenants.id = jobs.tenant
  WHERE jobs.id = p_job
$$;

-- The ticket of a job goes to another target of its route because an operator says so, out of its pause if it has one, under
-- the lock of the line that it leaves. What the target asks beyond what is reserved is reserved at once, as when a ticket is
-- moved on. One of: moved, also where it stands there already; gone: it does not wait any more; job_final; cancel_requested;
-- too_dear, by `max_cost_usd` or because nobody knows the price that a budget needs; no_budget: there is none left for it now.
CREATE FUNCTION move_ticket(p_job job_id, p_target integer) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  seen      tickets%ROWTYPE;
  ticket    tickets%ROWTYPE;
  job       jobs%ROWTYPE;
  goal      jsonb;
  price     bigint;
  missing   bigint;
  left_over bigint;
  held      integer;
BEGIN
  SELECT * INTO seen FROM tickets WHERE job = p_job;
  IF seen.id IS NOT NULL THEN
    PERFORM 1 FROM pools WHERE id = seen.pool FOR NO KEY UPDATE;
  END IF;
  -- Before the job, as everywhere. None, where the tenant has no budget.
  SELECT min(left_usd_micros), count(*) INTO left_over, held
  FROM hold_budgets(ARRAY[seen.tenant], ARRAY[budget_day(seen.accepted_at)]);
  SELECT * INTO job FROM jobs WHERE id = p_job FOR NO KEY UPDATE;
  goal := job.route -> p_target;
  IF job.id IS NULL OR job.finished_at IS NOT NULL OR goal IS NULL THEN
    RETURN 'job_final';
  ELSIF job.cancel_requested_at IS NOT NULL THEN
    RETURN 'cancel_requested';
  END IF;
  SELECT * INTO ticket FROM tickets WHERE job = p_job FOR UPDATE;
  IF ticket.id IS NULL THEN
    RETURN 'gone';
  ELSIF ticket.pool IS DISTINCT FROM seen.pool THEN
    RAISE EXCEPTION 'the ticket of % has just gone to another line', p_job USING ERRCODE = 'serialization_failure';
  END IF;

  price := (goal ->> 'priceUsdMicros')::bigint;
  IF price > cost_room(p_job) OR (price IS NULL AND (held > 0 OR is_capped())) THEN
    RETURN 'too_dear';
  END IF;
  missing := CASE WHEN held > 0 THEN greatest(0, price - coalesce(ticket.reserved_usd_micros, 0)) ELSE 0 END;
  IF missing > left_over THEN
    RETURN 'no_budget';
  END IF;
  IF ticket.target = p_target AND NOT ticket.parked THEN
    RETURN 'moved';
  END IF;
  IF missing > 0 THEN
    PERFORM reserve_spending(ticket.tenant, budget_day(ticket.accepted_at), missing);
  END IF;
  UPDATE tickets
  SET pool = goal ->> 'pool', target = p_target, target_name = goal ->> 'name', price_usd_micros = price, over_budget = false,
      reserved_usd_micros = CASE WHEN missing > 0 THEN coalesce(reserved_usd_micros, 0) + missing ELSE reserved_usd_micros END,
      parked = false, not_before = '-infinity',
      -- What its workflow was told of the line that it leaves says nothing of the other one.
      told_refusal = CASE WHEN target = p_target THEN told_refusal END,
      spill_at = coalesce(clock_timestamp() + (goal ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity')
  WHERE id = ticket.id;
  IF ticket.target <> p_target THEN
    PERFORM append_event(p_job, 'attempt.moved', jsonb_build_object(
      'attempt', ticket.attempt, 'from', ticket.target_name, 'to', goal ->> 'name', 'reason', 'operator'));
  END IF;
  RETURN 'moved';
END $$;
