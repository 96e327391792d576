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

-- As before, and says whose event it is; the other writers of events, begin_attempt and settle_job, follow with 0011.
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
