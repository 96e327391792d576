-- Up Migration

-- The scheduler. Classes share a pool by weights; within a class flows, a tenant's end users, are served by weighted fair
-- queueing; within a flow the oldest comes first. Order is decided when a permit is granted, by whoever holds the pool's
-- lock. Not for a mixed fleet: an older build grants by an index that is gone, and knows no lines.

ALTER TABLE tenants
  -- The share of each of its flows beside others of their class.
  ADD COLUMN weight double precision NOT NULL DEFAULT 1 CONSTRAINT weight_is_positive CHECK (weight > 0),
  -- Jobs that may wait at once. Null: as many as there are.
  ADD COLUMN queued_max integer CONSTRAINT queued_is_positive CHECK (queued_max > 0),
  ADD COLUMN queued_per_user_max integer CONSTRAINT queued_per_user_is_positive CHECK (queued_per_user_max > 0);

ALTER TABLE pools
  -- What the account's refusals have taught us of its limits: JSON of domain/learned-limit.ts. Written by the grant pass.
  ADD COLUMN learned jsonb NOT NULL DEFAULT '{}',
  -- The limit in force when last granted: the configured one, or less. For whoever reads without the lock.
  ADD COLUMN working_max integer;

-- One row for each place that tickets go to: a target of an account, with limits of its own where it has any. Rates and
-- totals are written by the grant pass, health by the health watch: different columns, so neither loses the other's.
CREATE TABLE targets (
  pool             text COLLATE "C" NOT NULL,
  name             text COLLATE "C" NOT NULL,
  -- Null: the pool's limit alone.
  outstanding_max  integer CONSTRAINT outstanding_is_positive CHECK (outstanding_max > 0),
  per_minute_max   integer CONSTRAINT rate_is_positive CHECK (per_minute_max > 0),
  next_start_at    timestamptz NOT NULL DEFAULT '-infinity',
  granted_total    bigint NOT NULL DEFAULT 0,
  -- Why the heads of its line waited when last looked at (WaitReason of domain/grants.ts). Null: nobody waited.
  wait_reason      text,
  health           jsonb NOT NULL DEFAULT '{}',
  -- How many attempts its breakers admit at once, of those granted since then. Null: any number; 0: it is left alone.
  admits           integer CONSTRAINT admits_some_or_none CHECK (admits >= 0),
  probing_since    timestamptz,
  health_at        timestamptz,
  -- Quantiles of what its videos took lately: JSON of domain/durations.ts.
  durations        jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (pool, name)
) WITH (fillfactor = 20);

-- A priority class of a pool. `virtual_time` is what it has been served, over its weight; `tag` the largest start tag of a
-- flow that was served in it, which is the time by which its flows are compared.
CREATE TABLE lanes (
  pool          text COLLATE "C" NOT NULL,
  class         smallint NOT NULL,
  virtual_time  double precision NOT NULL DEFAULT 0,
  tag           double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (pool, class)
) WITH (fillfactor = 20);

-- A tenant in a class. `tag` is the start tag of its next flow that comes, or waits on after it was served: one clock charges
-- all its users together, however many they are.
CREATE TABLE shares (
  pool    text COLLATE "C" NOT NULL,
  class   smallint NOT NULL,
  tenant  text COLLATE "C" NOT NULL,
  tag     double precision NOT NULL,
  PRIMARY KEY (pool, class, tenant)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- A tenant's end user in a class, for each target that they wait for. Only the holder of the pool's lock writes here. The
-- tag is the flow's, the same in all its rows: who orders two models gets no second share.
CREATE TABLE flows (
  pool         text COLLATE "C" NOT NULL,
  class        smallint NOT NULL,
  tenant       text COLLATE "C" NOT NULL,
  caller       text COLLATE "C" NOT NULL,
  target_name  text COLLATE "C" NOT NULL,
  weight       double precision NOT NULL,
  tag          double precision NOT NULL,
  -- The arrival that woke it: of equal tags the older is served first.
  since        bigint NOT NULL,
  -- How many wait, without what has arrived and is not folded yet. Whether anybody does, `active` says.
  waiting      integer NOT NULL,
  active       boolean NOT NULL,
  PRIMARY KEY (pool, class, tenant, caller, target_name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
-- By tag, so that a pass reads the next flows and not all: a campaign may have as many flows as jobs.
CREATE INDEX flows_in_order ON flows (pool, class, target_name, tag, since) WHERE active;

-- What has changed in line since the last pass: appended by whoever writes tickets (by the trigger below), folded into
-- flows by the holder of the pool's lock. So accept locks no row that others want.
CREATE TABLE arrivals (
  pool         text COLLATE "C" NOT NULL,
  id           bigint GENERATED ALWAYS AS IDENTITY,
  target_name  text COLLATE "C" NOT NULL,
  class        smallint NOT NULL,
  tenant       text COLLATE "C" NOT NULL,
  caller       text COLLATE "C" NOT NULL,
  -- When the jobs were accepted; the earliest of them.
  accepted_at  timestamptz NOT NULL,
  n            integer NOT NULL,
  PRIMARY KEY (pool, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- Refusals for load, folded by the grant pass into what it has learned of the account.
CREATE TABLE throttles (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool            text COLLATE "C" NOT NULL,
  dimension       text NOT NULL CONSTRAINT dimension_is_known CHECK (dimension IN ('outstanding', 'rate')),
  granted_at      timestamptz NOT NULL,
  refused_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  retry_after_ms  double precision
);

ALTER TABLE tickets
  ADD COLUMN target_name text COLLATE "C" NOT NULL DEFAULT '',
  -- Not in line yet: it was told to come back later, at `not_before`.
  ADD COLUMN parked boolean NOT NULL DEFAULT false,
  -- From then on it may be served by another target of its route that has room.
  ADD COLUMN spill_at timestamptz NOT NULL DEFAULT 'infinity',
  -- Of an overlap: the target of the attempt that it is to overtake.
  ADD COLUMN left_target text COLLATE "C";
UPDATE tickets SET target_name = coalesce(jobs.route -> tickets.target::int ->> 'name', '')
FROM jobs WHERE jobs.id = tickets.job;
DROP INDEX tickets_in_line;
-- Nulls first, of which there are none: an order that tickets_by_age does not offer, or a flow would be read by that index,
-- past everybody who is older.
CREATE INDEX tickets_of_flow ON tickets (pool, target_name, priority, tenant, caller, accepted_at NULLS FIRST, id)
  WHERE kind <> 'overlap' AND NOT parked;
CREATE INDEX overlaps_in_line ON tickets (pool, accepted_at NULLS FIRST, id) WHERE kind = 'overlap' AND NOT parked;
CREATE INDEX parked_tickets ON tickets (pool, not_before) WHERE parked;

ALTER TABLE permits ADD COLUMN target_name text COLLATE "C" NOT NULL DEFAULT '';
UPDATE permits SET target_name = coalesce(jobs.route -> permits.target::int ->> 'name', '')
FROM jobs WHERE jobs.id = permits.job;

-- The one writer of arrivals: no way into the line or out of it can be forgotten.
CREATE FUNCTION note_arrivals() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO arrivals (pool, target_name, class, tenant, caller, accepted_at, n)
  SELECT pool, target_name, priority, tenant, caller, min(accepted_at), count(*)
  FROM changed WHERE kind <> 'overlap' AND NOT parked
  GROUP BY pool, target_name, priority, tenant, caller, date_bin('250 milliseconds', accepted_at, 'epoch');
  RETURN NULL;
END $$;
CREATE FUNCTION note_departures() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO arrivals (pool, target_name, class, tenant, caller, accepted_at, n)
  SELECT pool, target_name, priority, tenant, caller, min(accepted_at), -count(*)
  FROM gone WHERE kind <> 'overlap' AND NOT parked
  GROUP BY pool, target_name, priority, tenant, caller, date_bin('250 milliseconds', accepted_at, 'epoch');
  RETURN NULL;
END $$;
CREATE FUNCTION note_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO arrivals (pool, target_name, class, tenant, caller, accepted_at, n)
  SELECT pool, target_name, priority, tenant, caller, min(accepted_at), sum(n)
  FROM (SELECT *, -1 AS n FROM gone WHERE kind <> 'overlap' AND NOT parked
        UNION ALL
        SELECT *, 1 FROM changed WHERE kind <> 'overlap' AND NOT parked) AS moved
  GROUP BY pool, target_name, priority, tenant, caller, date_bin('250 milliseconds', accepted_at, 'epoch')
  HAVING sum(n) <> 0;
  RETURN NULL;
END $$;
CREATE TRIGGER tickets_arrive AFTER INSERT ON tickets
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_arrivals();
-- What a grant pass claims it notes on the flows itself.
CREATE TRIGGER tickets_leave AFTER DELETE ON tickets
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
  WHEN (current_setting('spillway.granting', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION note_departures();
CREATE TRIGGER tickets_move AFTER UPDATE ON tickets
  REFERENCING OLD TABLE AS gone NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_moves();

INSERT INTO arrivals (pool, target_name, class, tenant, caller, accepted_at, n)
SELECT pool, target_name, priority, tenant, caller, min(accepted_at), count(*)
FROM tickets WHERE kind <> 'overlap'
GROUP BY pool, target_name, priority, tenant, caller;

-- Proof that the provider is done with an attempt. As before, and a refusal for load is noted for the grant pass, with the
-- moment of the permit that was refused: of those granted before the last cut we have learned already.
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
  DELETE FROM permits WHERE job = p_job AND attempt = p_attempt RETURNING * INTO released;
  IF p_evidence = 'refusal' AND p_failure ->> 'code' = 'rate_limited' AND released.grant_id IS NOT NULL THEN
    INSERT INTO throttles (pool, dimension, granted_at, retry_after_ms)
    VALUES (released.pool, coalesce(p_failure ->> 'limit', 'rate'), released.granted_at, (p_failure ->> 'retryAfterMs')::float8);
  END IF;
  PERFORM append_refund(ledger.price_usd_micros, cost);
  PERFORM append_event(p_job, 'attempt.ended', jsonb_strip_nulls(jsonb_build_object(
    'attempt', p_attempt, 'outcome', p_outcome, 'evidence', p_evidence, 'failure', p_failure ->> 'code')));
  RETURN true;
END $$;

-- The place of a further attempt in the queue, by the job's own route. Nothing for a job that is final or being cancelled.
-- One that is to come back later is parked until then, so that it holds nobody up.
DROP FUNCTION queue_attempt(job_id, integer, integer, text, text, interval, bigint);
CREATE FUNCTION queue_attempt(p_job job_id, p_attempt integer, p_target integer, p_kind text, p_wait interval) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  job    jobs%ROWTYPE;
  target jsonb;
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
  INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, not_before, parked,
                       spill_at, queue_deadline, price_usd_micros, left_target)
  VALUES (p_job, p_attempt, job.tenant, coalesce(job.request ->> 'user', ''), target ->> 'pool', p_target, target ->> 'name',
          job.priority, p_kind, job.accepted_at, clock_timestamp() + p_wait, p_wait > interval '0',
          coalesce(clock_timestamp() + p_wait + (target ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity'),
          coalesce(job.run_deadline, job.queue_deadline), (target ->> 'priceUsdMicros')::bigint,
          CASE WHEN p_kind = 'overlap' THEN
            (SELECT a.target_name FROM attempts a WHERE a.job = p_job AND a.ended_at IS NULL ORDER BY a.attempt DESC LIMIT 1) END)
  -- Its last live sibling has ended meanwhile: the same ticket is no overlap any more.
  ON CONFLICT (job) DO UPDATE SET kind = 'retry' WHERE tickets.kind = 'overlap' AND excluded.kind = 'retry';
  IF FOUND THEN
    PERFORM append_event(p_job, 'attempt.queued', jsonb_build_object('attempt', p_attempt, 'target', p_target, 'kind', p_kind));
  END IF;
  RETURN 'queued';
END $$;
