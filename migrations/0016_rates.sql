-- Up Migration

-- Requests to the API a minute, a row a tenant. Processes lease requests by the chunk, so that their sum keeps the limit
-- without a statement a request. Unlogged: after a crash every tenant has its full minute again, which harms nobody.
CREATE UNLOGGED TABLE request_rates (
  tenant   text COLLATE "C" PRIMARY KEY,
  -- GCRA: the moment at which the whole minute's worth is there again. Not later than a minute from now.
  full_at  timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Leases up to p_wanted requests. As many as a minute's worth may be had at once; then they come back evenly.
-- `remaining`: what is left for everybody after this lease. `wait_ms`: until there is one again; 0 where some were granted.
CREATE FUNCTION lease_requests(p_tenant text, p_wanted integer, p_per_minute integer)
RETURNS TABLE (granted integer, remaining integer, wait_ms double precision)
LANGUAGE plpgsql AS $$
DECLARE
  moment   timestamptz := clock_timestamp();
  spacing  interval := interval '1 minute' / p_per_minute;
  until    timestamptz;
  free     double precision;
BEGIN
  INSERT INTO request_rates (tenant, full_at) VALUES (p_tenant, moment) ON CONFLICT DO NOTHING;
  SELECT full_at INTO until FROM request_rates WHERE tenant = p_tenant FOR NO KEY UPDATE;
  -- Whoever waited for the lock looks at the clock again; and a clock that was set back owes nobody more than a minute.
  moment := clock_timestamp();
  until := least(greatest(until, moment), moment + interval '1 minute');
  free := extract(epoch FROM moment + interval '1 minute' - until) / extract(epoch FROM spacing);
  -- The interval's microseconds are rounded: a whole number is not to be missed by that.
  granted := least(p_wanted, floor(free + 0.001))::integer;
  remaining := greatest(floor(free + 0.001) - granted, 0)::integer;
  wait_ms := CASE WHEN granted > 0 THEN 0 ELSE (1 - free) * extract(epoch FROM spacing) * 1000 END;
  IF granted > 0 THEN
    UPDATE request_rates SET full_at = until + granted * spacing WHERE tenant = p_tenant;
  END IF;
  RETURN NEXT;
END $$;

-- What has ended since somebody counted last, for the metrics: a row an end of an attempt, and of a job. Counted = deleted.
-- The API, workers, the sweeper and the reconciler all end things, and one loop makes metrics of it. Unlogged: a crash costs
-- a second of counting.
CREATE UNLOGGED TABLE end_tally (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Of an attempt. Null: a job has ended.
  target_name  text,
  -- How: the outcome of an attempt, the phase of a job.
  outcome      text NOT NULL,
  -- Who told the end of an attempt.
  evidence     text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

CREATE FUNCTION note_attempt_end() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO end_tally (target_name, outcome, evidence) VALUES (NEW.target_name, NEW.outcome, NEW.evidence);
  RETURN NULL;
END $$;
CREATE TRIGGER attempts_end AFTER UPDATE OF ended_at ON attempts
  FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION note_attempt_end();

CREATE FUNCTION note_job_end() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO end_tally (outcome) VALUES (NEW.phase);
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_end AFTER UPDATE OF finished_at ON jobs
  FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION note_job_end();
