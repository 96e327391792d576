-- Up Migration

-- Webhooks: we tell subscribers. A delivery is written in the transaction of the event that it tells of, so there is one for
-- each event and each endpoint, or none. The relay of a worker makes its first try; what fails is the workflow's.

-- Where a tenant wants to be told. Secrets are sealed (webhooks/secret-box.ts); the previous one signs along for a while.
CREATE TABLE webhook_endpoints (
  id                text COLLATE "C" PRIMARY KEY,
  tenant            text COLLATE "C" NOT NULL REFERENCES tenants,
  url               text NOT NULL,
  events            text[] NOT NULL,
  description       text NOT NULL DEFAULT '',
  secret            text NOT NULL,
  previous_secret   text,
  previous_until    timestamptz,
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  disabled_at       timestamptz,
  disabled_reason   text CONSTRAINT reason_is_known CHECK (disabled_reason IN ('owner', 'gone', 'failing')),
  -- Its row stays until its deliveries are forgotten; its URL and its secrets do not.
  deleted_at        timestamptz,
  CONSTRAINT disabled_says_why CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant, created_at, id) WHERE deleted_at IS NULL;

-- What signs the deliveries to `webhook_url`s of single jobs. Made when it is first needed.
CREATE TABLE webhook_secrets (
  tenant            text COLLATE "C" PRIMARY KEY REFERENCES tenants,
  secret            text NOT NULL,
  previous_secret   text,
  previous_until    timestamptz,
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who has trouble receiving. One that is well has no row, so that nobody who tells it of something writes here.
-- A receiver is an endpoint, or the origin of a tenant's `webhook_url`s.
CREATE TABLE webhook_receivers (
  receiver          text COLLATE "C" PRIMARY KEY,
  failing_since     timestamptz,
  -- Who fails and is told nothing for long has not failed all the while.
  last_failure_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  failures          integer NOT NULL DEFAULT 0,
  throttled_until   timestamptz NOT NULL DEFAULT '-infinity'
);

CREATE TABLE webhook_deliveries (
  id              text COLLATE "C" PRIMARY KEY,
  -- The receiver's `webhook-id`: the same for every try, every endpoint and every redelivery of an event.
  event_id        text COLLATE "C" NOT NULL,
  tenant          text COLLATE "C" NOT NULL,
  -- Null: to the `webhook_url` of the job, which is kept with the job alone.
  endpoint        text COLLATE "C",
  receiver        text COLLATE "C" NOT NULL,
  -- Null: a test.
  job             job_id,
  kind            text NOT NULL,
  event_at        timestamptz NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  state           text NOT NULL DEFAULT 'pending'
    CONSTRAINT state_is_known CHECK (state IN ('pending', 'retrying', 'delivered', 'failed', 'dropped')),
  -- Why it failed or was dropped.
  reason          text CONSTRAINT reason_is_known CHECK (reason IN ('exhausted', 'expired', 'gone', 'endpoint_disabled', 'erased')),
  tries           integer NOT NULL DEFAULT 0,
  -- When the next try is due, whoever makes it; and when the relay is to make it, which leaves the workflow its time.
  next_try_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  relay_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Somebody is at it until then. A lease that runs out, because its holder was killed, makes it due again.
  leased_until    timestamptz NOT NULL DEFAULT '-infinity',
  ended_at        timestamptz,
  redelivery_of   text COLLATE "C",
  CONSTRAINT ended_exactly_when_over CHECK ((ended_at IS NULL) = (state IN ('pending', 'retrying')))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The lines of receivers, to step from one to the next; who is at work in each; and what has waited too long.
CREATE INDEX webhook_lines ON webhook_deliveries (receiver, relay_at) WHERE state IN ('pending', 'retrying');
CREATE INDEX webhooks_leased ON webhook_deliveries (receiver) WHERE leased_until > '-infinity';
CREATE INDEX webhook_urls_leased ON webhook_deliveries (tenant) WHERE leased_until > '-infinity' AND endpoint IS NULL;
CREATE INDEX webhooks_open_by_age ON webhook_deliveries (created_at) INCLUDE (state) WHERE state IN ('pending', 'retrying');
-- An event goes out once more to a receiver, and not again before that has ended.
CREATE UNIQUE INDEX webhooks_redelivered ON webhook_deliveries (event_id, receiver)
  WHERE redelivery_of IS NOT NULL AND state IN ('pending', 'retrying');
CREATE INDEX webhooks_of_endpoint ON webhook_deliveries (endpoint, created_at, id) WHERE endpoint IS NOT NULL;
CREATE INDEX webhooks_of_job ON webhook_deliveries (job) WHERE job IS NOT NULL;
CREATE INDEX webhooks_by_age ON webhook_deliveries USING brin (created_at);

-- The delivery log. Of an answer's body no more than the beginning, and none of ours.
CREATE TABLE webhook_tries (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  delivery     text COLLATE "C" NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  duration_ms  integer NOT NULL,
  status       integer,
  error        text,
  excerpt      text NOT NULL DEFAULT ''
);
CREATE INDEX webhook_tries_of_delivery ON webhook_tries (delivery, id);

-- Jobs of one tenant that name URLs of one origin share its patience. Whatever the text is, there is a receiver: a trigger
-- that fails is a job that never ends.
CREATE FUNCTION webhook_receiver(p_tenant text, p_url text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT 'url_' || encode(sha256(convert_to(p_tenant || ' ' || coalesce(substring(p_url FROM '^[^/]*//[^/?#]*'), p_url), 'UTF8')), 'hex')
$$;

-- With the event, in its transaction. The id of a delivery is made of what it tells whom, so there can't be two. Of a job
-- that was deleted, which has no request any more, nobody is told.
CREATE FUNCTION write_webhooks() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  hook      text := CASE NEW.kind WHEN 'attempt.started' THEN 'video.in_progress' ELSE 'video.' || substr(NEW.kind, 5) END;
  event_id  text := 'evt_' || substr(NEW.job, 7) || '_' || NEW.seq;
BEGIN
  INSERT INTO webhook_deliveries (id, event_id, tenant, endpoint, receiver, job, kind, event_at)
  SELECT 'whd_' || md5(event_id || ' ' || coalesce(told.endpoint, '')), event_id, told.tenant, told.endpoint, told.receiver,
         NEW.job, hook, NEW.at
  FROM (
    SELECT jobs.tenant, e.id AS endpoint, e.id AS receiver
    FROM jobs JOIN webhook_endpoints e ON e.tenant = jobs.tenant
    WHERE jobs.id = NEW.job AND jobs.request IS NOT NULL
      AND e.deleted_at IS NULL AND e.disabled_at IS NULL AND hook = ANY (e.events)
    UNION ALL
    SELECT tenant, NULL, webhook_receiver(tenant, request ->> 'webhook_url')
    FROM jobs WHERE id = NEW.job AND request ->> 'webhook_url' IS NOT NULL
  ) AS told
  -- A job begins once, whichever of its attempts is the first to be sent.
  WHERE NEW.kind <> 'attempt.started'
     OR NOT EXISTS (SELECT 1 FROM attempts WHERE job = NEW.job AND attempt < (NEW.data ->> 'attempt')::integer);
  RETURN NULL;
END $$;
CREATE TRIGGER job_events_write_webhooks AFTER INSERT ON job_events FOR EACH ROW
  WHEN (NEW.kind IN ('attempt.started', 'job.completed', 'job.failed', 'job.cancelled'))
  EXECUTE FUNCTION write_webhooks();

-- How many a receiver may be sent now: `p_most` at once, one while it fails, none while it asks for a pause.
CREATE FUNCTION webhook_room(p_receiver text, p_most integer) RETURNS integer
LANGUAGE sql STABLE AS $$
  SELECT greatest(0, CASE WHEN r.throttled_until > clock_timestamp() THEN 0 WHEN r.failing_since IS NOT NULL THEN 1 ELSE p_most END
                     - (SELECT count(*)::integer FROM webhook_deliveries
                        WHERE receiver = p_receiver AND leased_until > '-infinity' AND leased_until > clock_timestamp()))
  FROM (SELECT) AS one LEFT JOIN webhook_receivers r ON r.receiver = p_receiver
$$;

-- How many more may be under way to `webhook_url`s of a tenant's jobs. A tenant has few endpoints, and names as many URLs as
-- it has jobs: each hangs for as long as it likes, and all of them together are not to hold every socket that there is.
CREATE FUNCTION webhook_url_room(p_tenant text, p_urls integer) RETURNS integer
LANGUAGE sql STABLE AS $$
  SELECT p_urls - count(*)::integer FROM webhook_deliveries
  WHERE tenant = p_tenant AND endpoint IS NULL AND leased_until > '-infinity' AND leased_until > clock_timestamp()
$$;

-- Ends one without a further try. What was delivered stays so.
CREATE FUNCTION end_webhook(p_delivery text, p_state text, p_reason text) RETURNS webhook_deliveries
LANGUAGE sql AS $$
  UPDATE webhook_deliveries SET state = p_state, reason = p_reason, ended_at = clock_timestamp(), leased_until = '-infinity'
  WHERE id = p_delivery AND ended_at IS NULL
  RETURNING *
$$;

-- Leases what is due, of each receiver as much as it has room for: steps through the lines from `p_after` on, `p_lines` of
-- them at most, so that what waits for one receiver is in nobody's way. `p_most` is for one receiver at once, `p_urls` for
-- all `webhook_url`s of a tenant. Whoever claims is alone: two would both see room.
-- `next` is where to go on; null: the round is done. At least one row, whose `delivery` is null if nothing was due.
CREATE FUNCTION claim_webhooks(
  p_count integer, p_after text, p_lines integer, p_most integer, p_urls integer, p_lease interval
)
RETURNS TABLE (next text, delivery text, delivery_tries integer, waited_ms double precision)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('spillway webhooks'));
  RETURN QUERY
  WITH RECURSIVE lines AS (
    (SELECT receiver, 1 AS place FROM webhook_deliveries
     WHERE state IN ('pending', 'retrying') AND receiver > p_after ORDER BY receiver LIMIT 1)
    UNION ALL
    SELECT following.receiver, lines.place + 1
    FROM lines CROSS JOIN LATERAL (
      SELECT receiver FROM webhook_deliveries
      WHERE state IN ('pending', 'retrying') AND receiver > lines.receiver ORDER BY receiver LIMIT 1
    ) AS following
    WHERE lines.place < p_lines
  ), heads AS (
    SELECT head.id, head.tenant, head.endpoint, lines.receiver, lines.place,
           row_number() OVER (PARTITION BY head.tenant, head.endpoint IS NULL ORDER BY lines.place) AS nth
    FROM lines
    CROSS JOIN LATERAL (
      SELECT id, tenant, endpoint FROM webhook_deliveries d
      WHERE d.receiver = lines.receiver AND d.state IN ('pending', 'retrying')
        AND d.relay_at <= (SELECT clock_timestamp()) AND d.leased_until <= (SELECT clock_timestamp())
      ORDER BY d.relay_at
      LIMIT webhook_room(lines.receiver, p_most)
    ) AS head
    WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoints e
                      WHERE e.id = lines.receiver AND (e.disabled_at IS NOT NULL OR e.deleted_at IS NOT NULL))
  ), rooms AS MATERIALIZED (
    SELECT tenant, webhook_url_room(tenant, p_urls) AS room
    FROM (SELECT DISTINCT tenant FROM heads WHERE endpoint IS NULL) AS tenants
  ), due AS (
    SELECT heads.id, heads.receiver
    FROM heads LEFT JOIN rooms ON rooms.tenant = heads.tenant
    WHERE heads.endpoint IS NOT NULL OR heads.nth <= rooms.room
    ORDER BY heads.place
    LIMIT p_count
  ), leased AS (
    UPDATE webhook_deliveries d SET leased_until = clock_timestamp() + p_lease
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.tries, extract(epoch FROM clock_timestamp() - d.next_try_at)::double precision * 1000 AS waited
  )
  SELECT CASE WHEN (SELECT count(*) FROM due) >= p_count THEN (SELECT max(receiver) FROM due)
              WHEN (SELECT count(*) FROM lines) >= p_lines THEN (SELECT max(receiver) FROM lines) END,
         leased.id, leased.tries, leased.waited
  FROM (SELECT) AS one LEFT JOIN leased ON true;
END $$;

-- Leases one, for the workflow that owns its retries. One of:
--   go     it is yours;
--   early  not before so many milliseconds;
--   busy   somebody is at it, or its receiver or its tenant has no room;
--   over   nobody has to be told any more, and how it ended.
CREATE FUNCTION claim_webhook(p_delivery text, p_most integer, p_urls integer, p_lease interval)
RETURNS TABLE (verdict text, delivery_state text, delivery_tries integer, wait_ms double precision)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  delivery webhook_deliveries%ROWTYPE;
  wait     double precision;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('spillway webhooks'));
  SELECT * INTO delivery FROM webhook_deliveries WHERE id = p_delivery FOR UPDATE;
  IF delivery.ended_at IS NULL
     AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = delivery.endpoint AND (disabled_at IS NOT NULL OR deleted_at IS NOT NULL)) THEN
    delivery := end_webhook(p_delivery, 'dropped', 'endpoint_disabled');
  ELSIF delivery.ended_at IS NULL AND delivery.created_at < clock_timestamp() - interval '5 days' THEN
    delivery := end_webhook(p_delivery, 'failed', 'expired');
  END IF;
  IF delivery.id IS NULL OR delivery.ended_at IS NOT NULL THEN
    RETURN QUERY SELECT 'over', coalesce(delivery.state, 'dropped'), coalesce(delivery.tries, 0), 0::double precision;
    RETURN;
  END IF;
  wait := extract(epoch FROM delivery.next_try_at - clock_timestamp()) * 1000;
  -- Timers are not exact, and nobody minds a second.
  IF wait > 1000 THEN
    RETURN QUERY SELECT 'early', delivery.state, delivery.tries, wait;
  ELSIF delivery.leased_until > clock_timestamp() OR webhook_room(delivery.receiver, p_most) < 1
     OR (delivery.endpoint IS NULL AND webhook_url_room(delivery.tenant, p_urls) < 1) THEN
    RETURN QUERY SELECT 'busy', delivery.state, delivery.tries, 0::double precision;
  ELSE
    UPDATE webhook_deliveries SET leased_until = clock_timestamp() + p_lease WHERE id = p_delivery;
    RETURN QUERY SELECT 'go', delivery.state, delivery.tries, 0::double precision;
  END IF;
END $$;

-- Ends what nobody is to be told any more, a thousand of either kind: its endpoint is gone or disabled, or it has waited for
-- five days. Returns how many.
CREATE FUNCTION drop_webhooks() RETURNS integer
LANGUAGE sql AS $$
  SELECT count(end_webhook(id, state, reason))::integer
  FROM (
    SELECT * FROM (SELECT open.id, 'dropped' AS state, 'endpoint_disabled' AS reason
     FROM webhook_endpoints e JOIN webhook_deliveries open ON open.receiver = e.id AND open.state IN ('pending', 'retrying')
     WHERE e.disabled_at IS NOT NULL OR e.deleted_at IS NOT NULL
     LIMIT 1000 FOR UPDATE OF open SKIP LOCKED) AS gone
    UNION ALL
    SELECT * FROM (SELECT id, 'failed' AS state, 'expired' AS reason FROM webhook_deliveries
     WHERE state IN ('pending', 'retrying') AND created_at < now() - interval '5 days'
     LIMIT 1000 FOR UPDATE SKIP LOCKED) AS old
  ) AS useless
$$;

-- The end of a try. `p_tries` is what the one who tried had leased: a failure that comes late, after somebody else has tried
-- in between, is only logged. An answer of 2xx counts whenever it comes. `disabled` says that this try was one too many.
CREATE FUNCTION record_webhook_try(
  p_delivery text, p_tries integer, p_outcome text, p_status integer, p_error text, p_excerpt text, p_duration_ms integer,
  p_delay interval, p_throttle interval, p_grace interval
) RETURNS TABLE (delivery_state text, wait_ms double precision, disabled text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  delivery webhook_deliveries%ROWTYPE;
  trouble  webhook_receivers%ROWTYPE;
  why      text;
BEGIN
  SELECT * INTO delivery FROM webhook_deliveries WHERE id = p_delivery FOR UPDATE;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'dropped', 0::double precision, NULL::text;
    RETURN;
  END IF;
  INSERT INTO webhook_tries (delivery, duration_ms, status, error, excerpt)
  VALUES (p_delivery, p_duration_ms, p_status, p_error, p_excerpt);

  IF p_outcome = 'delivered' THEN
    UPDATE webhook_deliveries
    SET state = 'delivered', reason = NULL, ended_at = clock_timestamp(), leased_until = '-infinity', tries = greatest(tries, p_tries + 1)
    WHERE id = p_delivery AND state <> 'delivered';
    -- It is well again; what it asked for by Retry-After holds nevertheless.
    DELETE FROM webhook_receivers WHERE receiver = delivery.receiver AND throttled_until <= clock_timestamp();
    UPDATE webhook_receivers SET failing_since = NULL, failures = 0
    WHERE receiver = delivery.receiver AND failing_since IS NOT NULL;
  ELSIF delivery.ended_at IS NULL AND delivery.tries = p_tries THEN
    -- Before its receiver, as everybody who changes both.
    PERFORM 1 FROM webhook_endpoints WHERE id = delivery.endpoint FOR NO KEY UPDATE;
    -- A delivery is tried again after 29 hours at the latest: whoever failed longer ago than 36 begins anew.
    INSERT INTO webhook_receivers AS r (receiver, failing_since, last_failure_at, failures, throttled_until)
    VALUES (delivery.receiver, clock_timestamp(), clock_timestamp(), 1, clock_timestamp() + p_throttle)
    ON CONFLICT (receiver) DO UPDATE
    SET (failing_since, failures) = (
          SELECT CASE WHEN goes_on THEN r.failing_since ELSE excluded.failing_since END, CASE WHEN goes_on THEN r.failures ELSE 0 END + 1
          FROM (SELECT r.failing_since IS NOT NULL AND r.last_failure_at > clock_timestamp() - interval '36 hours') AS trouble(goes_on)),
        last_failure_at = excluded.last_failure_at,
        throttled_until = greatest(r.throttled_until, excluded.throttled_until)
    RETURNING * INTO trouble;
    why := CASE WHEN p_outcome = 'gone' THEN 'gone'
                WHEN trouble.failing_since <= clock_timestamp() - interval '5 days' AND trouble.failures >= 10 THEN 'failing' END;
    IF why IS NOT NULL THEN
      UPDATE webhook_endpoints SET disabled_at = clock_timestamp(), disabled_reason = why
      WHERE id = delivery.endpoint AND disabled_at IS NULL AND deleted_at IS NULL;
      why := CASE WHEN FOUND THEN why END;
    END IF;
    UPDATE webhook_deliveries
    SET tries = tries + 1,
        leased_until = '-infinity',
        state = CASE WHEN p_outcome = 'again' THEN 'retrying' ELSE 'failed' END,
        reason = CASE p_outcome WHEN 'gone' THEN 'gone' WHEN 'exhausted' THEN 'exhausted' END,
        ended_at = CASE WHEN p_outcome <> 'again' THEN clock_timestamp() END,
        next_try_at = clock_timestamp() + p_delay,
        relay_at = clock_timestamp() + p_delay + p_grace
    WHERE id = p_delivery
    RETURNING * INTO delivery;
  END IF;
  RETURN QUERY SELECT state, greatest(0, extract(epoch FROM next_try_at - clock_timestamp()) * 1000)::double precision, why
               FROM webhook_deliveries WHERE id = p_delivery;
END $$;
