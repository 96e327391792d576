-- Up Migration

-- How deep the line of a flow is, by when its jobs were accepted: for the place of one of them, without counting those
-- before it. Only of flows that are deep; the first few hundred of a line are counted. A bucket reaches to the next one of
-- its flow. Written by the fold of the grant pass, under the pool's lock; read without it.
CREATE TABLE depths (
  pool         text COLLATE "C" NOT NULL,
  target_name  text COLLATE "C" NOT NULL,
  class        smallint NOT NULL,
  tenant       text COLLATE "C" NOT NULL,
  caller       text COLLATE "C" NOT NULL,
  from_at      timestamptz NOT NULL,
  -- Those of it that still wait. What a moment's blur puts into the bucket beside it evens out; it may be below zero.
  n            integer NOT NULL,
  PRIMARY KEY (pool, target_name, class, tenant, caller, from_at)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- How many a target had been granted by then: one row every few seconds while somebody waits for it, so what lies between
-- two rows is what the line drains by, and not what happened to arrive.
CREATE TABLE drains (
  pool           text COLLATE "C" NOT NULL,
  target_name    text COLLATE "C" NOT NULL,
  at             timestamptz NOT NULL,
  granted_total  bigint NOT NULL,
  PRIMARY KEY (pool, target_name, at)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
