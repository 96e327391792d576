-- Up Migration

-- What operators hold back: a target, a pool, a tenant. One row each; whoever pauses again replaces it. Granting reads it under
-- the pool's lock and compares with the clock, so that a pause ends by itself, and nobody has to be there for it.
CREATE TABLE pauses (
  kind     text COLLATE "C" NOT NULL CONSTRAINT kind_of_pause_is_known CHECK (kind IN ('target', 'pool', 'tenant')),
  -- The name of a target, or the id of a pool or a tenant.
  subject  text COLLATE "C" NOT NULL,
  -- Whoever waits for the target goes to another of its route at once, where there is one with room.
  drains   boolean NOT NULL DEFAULT false,
  actor    text NOT NULL,
  reason   text NOT NULL,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null: until it is resumed.
  until    timestamptz,
  PRIMARY KEY (kind, subject),
  CONSTRAINT only_targets_drain CHECK (kind = 'target' OR NOT drains)
);
CREATE VIEW pauses_in_force AS
  SELECT kind, subject, drains, actor, reason, at, until FROM pauses WHERE until IS NULL OR until > clock_timestamp();

-- Limits of a pool in place of those of the catalogue, for a while. In a table of their own, so that a start, which writes what
-- the catalogue says, does not undo them.
CREATE TABLE limit_overrides (
  pool             text COLLATE "C" PRIMARY KEY,
  -- Null: as the catalogue says.
  outstanding_max  integer CONSTRAINT outstanding_override_is_positive CHECK (outstanding_max > 0),
  per_minute_max   integer CONSTRAINT rate_override_is_positive CHECK (per_minute_max > 0),
  actor            text NOT NULL,
  reason           text NOT NULL,
  at               timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at       timestamptz NOT NULL,
  CONSTRAINT an_override_says_something CHECK (outstanding_max IS NOT NULL OR per_minute_max IS NOT NULL)
);

-- What holds of a pool now. For whoever reads without its lock.
CREATE VIEW limits_in_force AS
  SELECT pools.id AS pool,
         coalesce(own.outstanding_max, pools.outstanding_max) AS outstanding_max,
         coalesce(own.per_minute_max, pools.per_minute_max) AS per_minute_max,
         EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'pool' AND subject = pools.id) AS is_paused
  FROM pools LEFT JOIN limit_overrides own ON own.pool = pools.id AND own.expires_at > clock_timestamp();

-- Why the head of a target's line waits. What a pass has noted may be older than a pause, or than its end.
CREATE FUNCTION wait_reason_of(p_pool text, p_target text, p_noted text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'target' AND subject = p_target)
                OR EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = 'pool' AND subject = p_pool) THEN 'operator'
              WHEN p_noted <> 'operator' THEN p_noted END
$$;

-- Flows of a tenant that is paused are out of their line (`active` is false), so that nobody has to look past them, and save up
-- nothing meanwhile. When the pause is over they come back as arrivals do. Written under the pool's lock, as flows are.
ALTER TABLE flows ADD COLUMN held boolean NOT NULL DEFAULT false;
-- Tenants whose pause a pool follows: to find those whose pause is over without looking at their flows.
CREATE TABLE held_tenants (
  pool      text COLLATE "C" NOT NULL,
  tenant    text COLLATE "C" NOT NULL,
  -- When none of its flows was in line any more. After the pause's own moment: nobody has to look for them again.
  swept_at  timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (pool, tenant)
);

-- Whom a pause concerns: the pools whose passes must not be under way while it is written. Null: there is no such subject.
CREATE FUNCTION pools_of_subject(p_kind text, p_subject text) RETURNS text[]
LANGUAGE sql STABLE AS $$
  SELECT CASE p_kind
    WHEN 'target' THEN (SELECT array_agg(pool) FROM targets WHERE name = p_subject)
    WHEN 'pool' THEN (SELECT array_agg(id) FROM pools WHERE id = p_subject)
    ELSE (SELECT coalesce(array_agg(id), '{}') FROM pools WHERE EXISTS (SELECT 1 FROM tenants WHERE tenants.id = p_subject)
          HAVING EXISTS (SELECT 1 FROM tenants WHERE tenants.id = p_subject)) END
$$;

-- Waits for the passes that are under way: once the caller has committed, nothing is granted against what it wrote.
CREATE FUNCTION wait_for_passes(p_pools text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM pools WHERE id = ANY (p_pools) ORDER BY id FOR NO KEY UPDATE;
END $$;

-- Writes an order down, once for each request id. Null: it is written now, and to be carried out. `repeated`: it was before.
-- `reused`: something else was, under the same id.
CREATE FUNCTION note_order(
  p_actor text, p_action text, p_subject text, p_reason text, p_detail jsonb, p_request text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO operator_actions (actor, action, subject, reason, detail, request)
  VALUES (p_actor, p_action, p_subject, p_reason, p_detail, p_request)
  ON CONFLICT (request) DO NOTHING;
  IF FOUND THEN
    RETURN NULL;
  END IF;
  RETURN (SELECT CASE WHEN action = p_action AND subject = p_subject AND detail = p_detail THEN 'repeated' ELSE 'reused' END
          FROM operator_actions WHERE request = p_request);
END $$;

-- Each of these does one thing an operator asks for and writes it down, once for each request id: `done`; `repeated`, it was
-- done before; `reused`, the id belongs to another order; `unknown`, there is no such subject; `absent`, there is nothing to end.
CREATE FUNCTION pause_subject(
  p_kind text, p_subject text, p_drains boolean, p_seconds double precision, p_actor text, p_reason text, p_request text
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  concerned text[] := pools_of_subject(p_kind, p_subject);
  noted     text;
BEGIN
  IF concerned IS NULL THEN
    RETURN 'unknown';
  END IF;
  noted := note_order(p_actor, CASE WHEN p_drains THEN 'drain' ELSE 'pause' END, p_subject, p_reason,
                      jsonb_build_object('kind', p_kind, 'seconds', p_seconds), p_request);
  IF noted IS NOT NULL THEN
    RETURN noted;
  END IF;
  PERFORM wait_for_passes(concerned);
  DELETE FROM pauses WHERE pauses.until <= clock_timestamp();
  INSERT INTO pauses (kind, subject, drains, actor, reason, until)
  VALUES (p_kind, p_subject, p_drains, p_actor, p_reason, clock_timestamp() + p_seconds * interval '1 second')
  ON CONFLICT (kind, subject) DO UPDATE
  SET drains = excluded.drains, actor = excluded.actor, reason = excluded.reason, at = excluded.at, until = excluded.until;
  RETURN 'done';
END $$;

CREATE FUNCTION resume_subject(p_kind text, p_subject text, p_actor text, p_reason text, p_request text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  ended  boolean;
  noted  text;
BEGIN
  -- Two who ask at once wait for each other here, so that one of them has ended it.
  PERFORM 1 FROM pauses WHERE kind = p_kind AND subject = p_subject FOR UPDATE;
  ended := EXISTS (SELECT 1 FROM pauses_in_force WHERE kind = p_kind AND subject = p_subject);
  IF NOT ended AND NOT EXISTS (SELECT 1 FROM operator_actions WHERE request = p_request) THEN
    RETURN CASE WHEN pools_of_subject(p_kind, p_subject) IS NULL THEN 'unknown' ELSE 'absent' END;
  END IF;
  noted := note_order(p_actor, 'resume', p_subject, p_reason, jsonb_build_object('kind', p_kind), p_request);
  IF noted IS NOT NULL THEN
    RETURN noted;
  END IF;
  DELETE FROM pauses WHERE kind = p_kind AND subject = p_subject;
  RETURN 'done';
END $$;

CREATE FUNCTION override_limits(
  p_pool text, p_outstanding_max integer, p_per_minute_max integer, p_seconds double precision, p_actor text, p_reason text, p_request text
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  noted text;
BEGIN
  PERFORM 1 FROM pools WHERE id = p_pool FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN 'unknown';
  END IF;
  noted := note_order(p_actor, 'limits', p_pool, p_reason, jsonb_build_object(
    'outstandingMax', p_outstanding_max, 'perMinuteMax', p_per_minute_max, 'seconds', p_seconds), p_request);
  IF noted IS NOT NULL THEN
    RETURN noted;
  END IF;
  INSERT INTO limit_overrides (pool, outstanding_max, per_minute_max, actor, reason, expires_at)
  VALUES (p_pool, p_outstanding_max, p_per_minute_max, p_actor, p_reason, clock_timestamp() + p_seconds * interval '1 second')
  ON CONFLICT (pool) DO UPDATE
  SET outstanding_max = excluded.outstanding_max, per_minute_max = excluded.per_minute_max, actor = excluded.actor,
      reason = excluded.reason, at = excluded.at, expires_at = excluded.expires_at;
  RETURN 'done';
END $$;

CREATE FUNCTION clear_limits(p_pool text, p_actor text, p_reason text, p_request text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  noted text;
BEGIN
  PERFORM 1 FROM pools WHERE id = p_pool FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN 'unknown';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM limit_overrides WHERE pool = p_pool AND expires_at > clock_timestamp())
     AND NOT EXISTS (SELECT 1 FROM operator_actions WHERE request = p_request) THEN
    RETURN 'absent';
  END IF;
  noted := note_order(p_actor, 'clear_limits', p_pool, p_reason, '{}', p_request);
  IF noted IS NOT NULL THEN
    RETURN noted;
  END IF;
  DELETE FROM limit_overrides WHERE pool = p_pool;
  RETURN 'done';
END $$;
