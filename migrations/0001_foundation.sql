-- Up Migration

-- The public id everywhere: API, workflow id, foreign keys. "C" collation: ids are compared as bytes, never as words.
CREATE DOMAIN job_id AS text COLLATE "C"
  CONSTRAINT job_id_is_a_video_id CHECK (VALUE ~ '^video_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$');

CREATE TABLE tenants (
  id         text COLLATE "C" PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenants (id) VALUES ('default');

-- Money committed under a cap: reserved when a permit is granted, given back through refunds. The grant pass is the
-- only writer of the row; everybody else appends to refunds, so that no settle waits for the dispatcher.
CREATE TABLE budgets (
  id                     text PRIMARY KEY,
  cap_usd_micros         bigint CONSTRAINT cap_is_not_negative CHECK (cap_usd_micros >= 0),
  committed_usd_micros   bigint NOT NULL DEFAULT 0
);
INSERT INTO budgets (id) VALUES ('global');

CREATE TABLE refunds (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  budget      text NOT NULL,
  usd_micros  bigint NOT NULL
);

-- A provider account's capacity. Its row lock is the only lock of granting (see db/grants.ts).
CREATE TABLE pools (
  id               text COLLATE "C" PRIMARY KEY,
  provider         text NOT NULL,
  outstanding_max  integer NOT NULL CONSTRAINT outstanding_is_positive CHECK (outstanding_max > 0),
  per_minute_max   integer NOT NULL CONSTRAINT rate_is_positive CHECK (per_minute_max > 0),
  -- GCRA: the earliest moment of the next start, one timestamp for the whole rate limit.
  next_start_at    timestamptz NOT NULL DEFAULT '-infinity',
  -- The failover budget: a tenth of a token for each ordinary grant, one for an overlapping attempt.
  overlap_tokens   double precision NOT NULL DEFAULT 1,
  overlap_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);

CREATE TABLE jobs (
  id                   job_id PRIMARY KEY,
  tenant               text COLLATE "C" NOT NULL,
  phase                text NOT NULL DEFAULT 'queued'
    CONSTRAINT phase_is_known CHECK (phase IN ('queued', 'in_progress', 'completed', 'failed', 'cancelled')),
  model                text NOT NULL,
  -- What the caller wishes: the only personal columns are request and input_image. Nulled by delete.
  request              jsonb,
  input_image          text,
  -- The ordered targets, snapshotted: no personal data, it travels into the workflow.
  route                jsonb NOT NULL,
  priority             smallint NOT NULL,
  accepted_at          timestamptz NOT NULL DEFAULT now(),
  queue_deadline       timestamptz NOT NULL,
  dispatched_at        timestamptz,
  started_at           timestamptz,
  run_deadline         timestamptz,
  cancel_requested_at  timestamptz,
  finished_at          timestamptz,
  failure              jsonb,
  served_attempt       integer,
  event_seq            integer NOT NULL DEFAULT 1,
  -- When the reconciler last asked Temporal for its workflow.
  checked_at           timestamptz,
  CONSTRAINT finished_exactly_when_final CHECK ((finished_at IS NOT NULL) = (phase IN ('completed', 'failed', 'cancelled'))),
  CONSTRAINT completed_names_its_attempt CHECK (phase <> 'completed' OR served_attempt IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX jobs_of_tenant ON jobs (tenant, id);
-- Small whatever the history: what the reconciler walks.
CREATE INDEX open_jobs ON jobs (accepted_at) WHERE finished_at IS NULL;
-- What the sweeper ends when no workflow does. It costs each job one update that is not HOT, at its first POST; jobs that
-- wait are not in it. To walk open_jobs instead would read the whole line, just when it is a flood.
CREATE INDEX jobs_by_run_deadline ON jobs (run_deadline) WHERE finished_at IS NULL AND run_deadline IS NOT NULL;

CREATE TABLE idempotency_keys (
  tenant       text COLLATE "C" NOT NULL,
  key          text COLLATE "C" NOT NULL,
  job          job_id NOT NULL,
  fingerprint  bytea NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys USING brin (created_at);

-- Waiting tickets only: a grant deletes the row. At most one a job, which the unique key says.
CREATE TABLE tickets (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job             job_id NOT NULL CONSTRAINT one_waiting_ticket_a_job UNIQUE,
  attempt         integer NOT NULL,
  tenant          text COLLATE "C" NOT NULL,
  -- The tenant's end user: half of the key of a flow.
  caller          text COLLATE "C" NOT NULL DEFAULT '',
  pool            text COLLATE "C" NOT NULL,
  target          smallint NOT NULL,
  priority        smallint NOT NULL,
  -- `first` and `retry` stand in line by the job's acceptance, so a retry is at the head of it.
  -- `overlap` has a live sibling: it yields to both and draws on the failover budget.
  kind            text NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('first', 'retry', 'overlap')),
  accepted_at     timestamptz NOT NULL,
  not_before      timestamptz NOT NULL DEFAULT '-infinity',
  queue_deadline  timestamptz NOT NULL,
  price_usd_micros bigint
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX tickets_in_line ON tickets (pool, (kind = 'overlap'), priority, accepted_at, id);
CREATE INDEX tickets_by_deadline ON tickets (queue_deadline);
CREATE INDEX tickets_by_age ON tickets (accepted_at);

-- Held capacity: the row exists from before the POST until the provider is done with the job. Release = delete.
CREATE TABLE permits (
  grant_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job              job_id NOT NULL,
  attempt          integer NOT NULL,
  pool             text COLLATE "C" NOT NULL,
  target           smallint NOT NULL,
  granted_at       timestamptz NOT NULL DEFAULT now(),
  start_at         timestamptz NOT NULL,
  price_usd_micros bigint,
  -- Until the POST is answered. A copy of what the ledger knows, so that a grant pass need not read it.
  submitting       boolean NOT NULL DEFAULT true,
  -- Our job is final, the provider's is not: the slot is still taken there.
  zombie_since     timestamptz,
  checked_at       timestamptz,
  CONSTRAINT one_permit_an_attempt UNIQUE (job, attempt)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX permits_of_pool ON permits (pool);
CREATE INDEX permits_submitting ON permits (pool) WHERE submitting;

-- The submit ledger. A row is written before the POST that it allows, and never a second time.
CREATE TABLE attempts (
  job               job_id NOT NULL REFERENCES jobs,
  attempt           integer NOT NULL CONSTRAINT attempts_count_from_one CHECK (attempt >= 1),
  tenant            text COLLATE "C" NOT NULL,
  pool              text COLLATE "C" NOT NULL,
  target            smallint NOT NULL,
  target_name       text NOT NULL,
  provider          text NOT NULL,
  overlap           boolean NOT NULL DEFAULT false,
  -- The unguessable part of the callback URL, and the seed by which a lost submit is found again.
  token             text COLLATE "C" NOT NULL,
  seed              bigint,
  state             text NOT NULL DEFAULT 'submitting'
    CONSTRAINT state_is_known CHECK (state IN ('submitting', 'accepted', 'refused', 'unknown')),
  operation         text COLLATE "C",
  submitted_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  answered_at       timestamptz,
  ended_at          timestamptz,
  evidence          text CONSTRAINT evidence_is_known
    CHECK (evidence IN ('refusal', 'callback', 'check', 'list', 'stop', 'longest_duration')),
  outcome           text CONSTRAINT outcome_is_known CHECK (outcome IN ('finished', 'failed', 'lost')),
  failure           jsonb,
  video_url         text,
  price_usd_micros  bigint,
  cost_usd_micros   bigint,
  -- Set when a deliberate second attempt may have been paid beside this one.
  possible_duplicate boolean NOT NULL DEFAULT false,
  PRIMARY KEY (job, attempt),
  CONSTRAINT an_operation_is_adopted_once UNIQUE (provider, operation),
  CONSTRAINT ended_with_evidence CHECK ((ended_at IS NULL) = (evidence IS NULL) AND (ended_at IS NULL) = (outcome IS NULL)),
  CONSTRAINT accepted_names_its_operation CHECK (state <> 'accepted' OR operation IS NOT NULL),
  CONSTRAINT refused_is_ended CHECK (state <> 'refused' OR ended_at IS NOT NULL)
) WITH (fillfactor = 70);

-- Whatever must reach a workflow. Delivered = deleted. A lease that runs out is delivered again, idempotently.
CREATE TABLE mailbox (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job          job_id NOT NULL,
  kind         text NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('start', 'permit', 'callback', 'cancel', 'repair')),
  attempt      integer NOT NULL DEFAULT 0,
  payload      jsonb NOT NULL DEFAULT '{}',
  not_before   timestamptz NOT NULL DEFAULT '-infinity',
  leased_until timestamptz NOT NULL DEFAULT '-infinity',
  tries        integer NOT NULL DEFAULT 0,
  created_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT one_message_of_a_kind UNIQUE (job, kind, attempt)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- What providers told us, once each. Only kinds and digests: bodies repeat prompts.
CREATE TABLE callback_inbox (
  job          job_id NOT NULL,
  attempt      integer NOT NULL,
  body_sha256  bytea NOT NULL,
  kind         text NOT NULL,
  received_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job, attempt, body_sha256)
);

-- The story of a job. Sequence numbers are dense: they are counted on the job's own row, under its lock.
CREATE TABLE job_events (
  job   job_id NOT NULL,
  seq   integer NOT NULL,
  at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind  text NOT NULL,
  data  jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (job, seq)
);

-- How far the reconciler has read Temporal's list of closed workflows.
CREATE TABLE watermarks (
  id  text PRIMARY KEY,
  at  timestamptz NOT NULL
);
