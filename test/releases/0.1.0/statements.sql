DELETE FROM flows USING lanes
WHERE flows.ctid = ANY ($2::tid[]) AND lanes.pool = $1 AND flows.pool = lanes.pool AND flows.class = lanes.class
AND NOT flows.active AND flows.waiting = 0
--;
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
SELECT ctid FROM idempotency_keys WHERE created_at < (SELECT clock_timestamp()) - $1 * interval '1 day' LIMIT $2))
--;
DELETE FROM mailbox WHERE id = ANY($1::bigint[])
--;
DELETE FROM recent_requests WHERE ctid = ANY(ARRAY(
SELECT ctid FROM recent_requests
WHERE received_at < (SELECT clock_timestamp()) - $1 * interval '1 millisecond' LIMIT $2))
--;
DELETE FROM uploads WHERE id = ANY($1::text[])
--;
DELETE FROM webhook_receivers r
WHERE last_failure_at < now() - $1 * interval '1 day' AND throttled_until < now() - $1 * interval '1 day'
AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d
WHERE d.receiver = r.receiver AND d.state IN ('pending', 'retrying'))
--;
INSERT INTO api_keys (id, tenant, secret_sha256, name, scopes, expires_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second')
--;
INSERT INTO mailbox (job, kind, attempt)
SELECT job, 'repair', attempt FROM attempts WHERE job = $1 AND attempt = $2 AND ended_at IS NULL
ON CONFLICT (job, kind, attempt) DO NOTHING
--;
INSERT INTO mailbox (job, kind, attempt, payload)
SELECT $1::job_id, 'start', 0, coalesce(
(SELECT jsonb_build_object('attempt', p.attempt, 'target', p.target, 'grant', p.grant_id::text) FROM permits p
WHERE p.job = $1::job_id AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = p.job AND a.attempt = p.attempt)
LIMIT 1), '{}')
ON CONFLICT (job, kind, attempt) DO NOTHING
--;
INSERT INTO pools (id, provider, outstanding_max, per_minute_max)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) AS pool(id, provider, outstanding_max, per_minute_max)
ORDER BY id
ON CONFLICT (id) DO UPDATE
SET outstanding_max = excluded.outstanding_max, per_minute_max = excluded.per_minute_max
--;
INSERT INTO tenants (id) VALUES ($1) ON CONFLICT (id) DO NOTHING
--;
INSERT INTO uploads (id, tenant, key, bytes, expires_at)
SELECT id, tenant, key, bytes, now() + seconds_kept * interval '1 second'
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::float8[])
AS input(id, tenant, key, bytes, seconds_kept)
WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = input.id)
ON CONFLICT (id) DO NOTHING
--;
INSERT INTO watermarks (id, at) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET at = greatest(watermarks.at, excluded.at)
--;
INSERT INTO webhook_deliveries (id, event_id, tenant, endpoint, receiver, kind, event_at, state, reason, ended_at, tries)
VALUES ($1, 'evt_' || substr($1, 5), $2, $3, $3, 'webhook.test', clock_timestamp(), 'failed', 'exhausted', clock_timestamp(), 1)
--;
INSERT INTO webhook_secrets (tenant, secret) VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE
SET previous_secret = webhook_secrets.secret, previous_until = clock_timestamp() + $3 * interval '1 hour',
secret = excluded.secret, created_at = clock_timestamp()
RETURNING (extract(epoch FROM created_at) * 1000)::float8 AS "createdAt",
CASE WHEN previous_until > clock_timestamp() THEN (extract(epoch FROM previous_until) * 1000)::float8 END AS "previousUntil"
--;
INSERT INTO webhook_secrets (tenant, secret) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING
--;
SELECT
(SELECT coalesce(json_agg(json_build_object(
'class', next.class, 'tenant', next.tenant, 'caller', next.caller, 'target', next.target_name,
'weight', next.weight, 'tag', next.tag, 'tenantTag', coalesce(
(SELECT tag FROM shares WHERE shares.pool = $1 AND shares.class = next.class AND shares.tenant = next.tenant),
next.tag), 'ids', line.ids, 'prices', line.prices,
'hasMore', line.count >= next.heads_max) ORDER BY next.since), '[]')
FROM lanes
JOIN targets ON targets.pool = $1
CROSS JOIN LATERAL (
SELECT own.*, ceil($3 * share / sum(share) OVER ())::int + 1 AS heads_max
FROM (SELECT *, weight / count(*) OVER (PARTITION BY tenant) AS share FROM (
SELECT flows.class, flows.tenant, flows.caller, flows.target_name, flows.tag, flows.since,
-- As it is now: what was noted of it when they came may be old.
coalesce((SELECT weight FROM tenants WHERE tenants.id = flows.tenant), 1) AS weight
FROM flows
WHERE flows.pool = $1 AND flows.class = lanes.class AND flows.target_name = targets.name AND flows.active
ORDER BY flows.tag, flows.since
LIMIT CASE WHEN targets.name = ANY ($2::text[]) THEN $3 ELSE 1 END
) AS first) AS own
) AS next
CROSS JOIN LATERAL (
SELECT count(*) AS count, json_agg(id::text) AS ids, json_agg(price_usd_micros) AS prices
FROM (
SELECT id, price_usd_micros FROM tickets
WHERE pool = $1 AND target_name = next.target_name AND priority = next.class AND tenant = next.tenant
AND caller = next.caller AND kind <> 'overlap' AND NOT parked
ORDER BY accepted_at NULLS FIRST, id
LIMIT next.heads_max
) AS oldest
) AS line
WHERE lanes.pool = $1) AS flows,
(SELECT coalesce(json_agg(json_build_object(
'id', id::text, 'priceUsdMicros', price_usd_micros, 'target', target_name,
'isWaived', EXISTS (SELECT 1 FROM targets WHERE targets.name = left_target AND targets.admits IS NOT NULL))
ORDER BY accepted_at, id), '[]')
FROM (
SELECT * FROM tickets WHERE pool = $1 AND kind = 'overlap' AND NOT parked
ORDER BY accepted_at NULLS FIRST, id LIMIT 500
) AS second) AS overlaps
--;
SELECT
jsonb_build_object(
'limitUsdMicros', (SELECT day_budget_usd_micros FROM tenants WHERE id = $1),
'committedUsdMicros', coalesce((SELECT committed_usd_micros FROM spending
WHERE tenant = $1 AND period = 'day' AND starts_on = day_start), 0)
- coalesce((SELECT sum(usd_micros) FROM spending_refunds WHERE tenant = $1 AND on_day >= day_start), 0),
'startsOn', day_start, 'endsOn', (day_start + interval '1 day')::date) AS day,
jsonb_build_object(
'limitUsdMicros', (SELECT month_budget_usd_micros FROM tenants WHERE id = $1),
'committedUsdMicros', coalesce((SELECT committed_usd_micros FROM spending
WHERE tenant = $1 AND period = 'month' AND starts_on = month_start), 0)
- coalesce((SELECT sum(usd_micros) FROM spending_refunds WHERE tenant = $1 AND on_day >= month_start), 0),
'startsOn', month_start, 'endsOn', (month_start + interval '1 month')::date) AS month
FROM (SELECT budget_day(clock_timestamp()) AS day_start,
date_trunc('month', budget_day(clock_timestamp())::timestamp)::date AS month_start) AS today
--;
SELECT $1::text::xid8 > pg_snapshot_xmax(pg_current_snapshot()) AS "isToCome"
--;
SELECT (cap_usd_micros - committed_usd_micros
+ (SELECT coalesce(sum(usd_micros), 0) FROM refunds WHERE budget = budgets.id))::float8 AS left
FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL
--;
SELECT (coalesce((
SELECT sum(greatest(flows.waiting, 0)) FROM lanes JOIN flows USING (pool, class)
WHERE flows.tenant = $1 AND ($2::text IS NULL OR flows.caller = $2)), 0)
+ coalesce((SELECT sum(n) FROM arrivals WHERE tenant = $1 AND ($2::text IS NULL OR caller = $2)), 0))::int AS count
--;
SELECT (extract(epoch FROM at) * 1000)::float8 AS at, status, error, excerpt, duration_ms AS "durationMs"
FROM webhook_tries WHERE delivery = $1 ORDER BY id LIMIT 100
--;
SELECT (extract(epoch FROM created_at) * 1000)::float8 AS "createdAt",
CASE WHEN previous_until > clock_timestamp() THEN (extract(epoch FROM previous_until) * 1000)::float8 END AS "previousUntil" FROM webhook_secrets WHERE tenant = $1
--;
SELECT (extract(epoch FROM e.requested_at) * 1000)::float8 AS "requestedAt", (extract(epoch FROM e.erased_at) * 1000)::float8 AS "erasedAt",
jobs.finished_at IS NOT NULL AS "isFinal", e.had_input AS "hadInput", e.removed_at IS NOT NULL AS "isRemoved",
EXISTS (SELECT FROM assets WHERE assets.job = e.job AND stored_at IS NOT NULL
AND (removed_at IS NULL OR removed_at >= e.requested_at)) AS "hadVideo",
(SELECT sum(cost_usd_micros)::float8 FROM attempts WHERE attempts.job = e.job) AS "costUsdMicros",
coalesce((SELECT jsonb_agg(jsonb_build_object('provider', provider, 'operation', operation, 'hasEnded', ended_at IS NOT NULL, 'erasure', erasure)
ORDER BY attempt)
FROM attempts WHERE attempts.job = e.job AND state <> 'refused'), '[]') AS attempts
FROM erasures e JOIN jobs ON jobs.id = e.job
WHERE e.job = $1 AND e.tenant = $2
--;
SELECT 1
--;
SELECT 1 FROM attempts WHERE job = $1 AND attempt = $2 AND token = $3
--;
SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL FOR NO KEY UPDATE
--;
SELECT DISTINCT pool AS id FROM (
SELECT shares.pool, shares.class, shares.tenant, lanes.tag AS lane_tag, theirs.turn, theirs.users
FROM shares JOIN lanes USING (pool, class)
CROSS JOIN LATERAL (
SELECT count(DISTINCT caller) AS users, coalesce(1 / min(weight), 1) AS turn FROM flows
WHERE flows.pool = shares.pool AND flows.class = shares.class AND flows.tenant = shares.tenant AND active
) AS theirs
WHERE theirs.users <= 20000 AND shares.tag > lanes.tag + (theirs.users * 1.5 + 2) * theirs.turn) AS stale ORDER BY id
--;
SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE
--;
SELECT a.attempt, a.target, p.grant_id::text AS grant, a.operation, a.outcome, a.failure,
s.stored_at IS NOT NULL AND s.removed_at IS NULL AS "isStored", s.failure AS "storeFailure",
floor((extract(epoch FROM j.run_deadline) * 1000)::float8) AS "runDeadlineAt"
FROM attempts a JOIN jobs j ON j.id = a.job
LEFT JOIN permits p ON p.job = a.job AND p.attempt = a.attempt
LEFT JOIN assets s ON s.job = a.job AND s.attempt = a.attempt
WHERE a.job = $1
ORDER BY a.attempt
--;
SELECT a.provider, a.operation, a.seed, a.submitted_at AS "submittedAt", a.outcome, a.failure,
a.resolved_by AS "resolvedBy", a.target, j.route
FROM attempts a JOIN jobs j ON j.id = a.job
WHERE a.job = $1 AND a.attempt = $2
--;
SELECT a.tenant, a.provider, a.operation, a.video_url AS url, j.route -> a.target::int ->> 'vendorModel' AS model
FROM attempts a JOIN jobs j ON j.id = a.job
WHERE a.job = $1 AND a.attempt = $2 AND a.outcome = 'finished'
--;
SELECT adopt_attempt($1, $2, $3, 'list') AS adopted
--;
SELECT answer_attempt($1, $2, $3, $4, $5)
--;
SELECT api_keys.id, api_keys.tenant, secret_sha256 AS "secretSha256", scopes,
(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::float8 AS "leftMs", jsonb_build_object(
'requestsPerMinute', tenants.requests_per_minute,
'queuedMax', tenants.queued_max, 'queuedPerUserMax', tenants.queued_per_user_max,
'outstandingMax', tenants.outstanding_max,
'dayBudgetUsdMicros', tenants.day_budget_usd_micros, 'monthBudgetUsdMicros', tenants.month_budget_usd_micros) AS limits
FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant
WHERE api_keys.id = ANY ($1::text[]) AND api_keys.revoked_at IS NULL
AND (api_keys.expires_at IS NULL OR api_keys.expires_at > clock_timestamp())
--;
SELECT asked.id AS "askedId", jobs.id, encode(keys.fingerprint, 'hex') AS fingerprint,
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", jobs.request, jobs.model, jobs.route,
jobs.erase_requested_at IS NOT NULL AS "isErased"
FROM unnest($1::text[], $2::text[], $3::text[]) AS asked(id, tenant, key)
LEFT JOIN idempotency_keys keys ON keys.tenant = asked.tenant AND keys.key = asked.key
JOIN jobs ON jobs.id = coalesce(keys.job, asked.id) AND jobs.tenant = asked.tenant
--;
SELECT at FROM watermarks WHERE id = $1
--;
SELECT attempt, target_name AS target, provider, overlap, state, outcome, evidence, failure,
submitted_at AS "submittedAt", answered_at AS "answeredAt", ended_at AS "endedAt",
cost_usd_micros::float8 AS "costUsdMicros", possible_duplicate AS "possibleDuplicate",
unknown_at AS "unknownAt", resolved_by AS "resolvedBy", resolved_at AS "resolvedAt"
FROM attempts WHERE job = $1 AND tenant = $2 ORDER BY attempt
--;
SELECT cap_usd_micros::float8 AS cap FROM budgets WHERE id = 'global'
--;
SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema = 'public' AND table_name = 'spillway_migrations' AND constraint_type = 'PRIMARY KEY'
--;
SELECT d.event_id AS "eventId", d.kind, (extract(epoch FROM d.event_at) * 1000)::float8 AS "eventAt", d.tenant, d.endpoint,
d.job IS NOT NULL AND jobs.request IS NULL AS "isErased",
CASE WHEN d.endpoint IS NULL THEN jobs.request ->> 'webhook_url' ELSE e.url END AS url,
coalesce(e.secret, s.secret) AS secret,
CASE WHEN coalesce(e.previous_until, s.previous_until) > clock_timestamp()
THEN coalesce(e.previous_secret, s.previous_secret) END AS "previousSecret",
CASE WHEN jobs.id IS NOT NULL THEN jsonb_build_object(
'id', jobs.id, 'model', jobs.model, 'acceptedAt', (extract(epoch FROM jobs.accepted_at) * 1000)::float8,
'finishedAt', (extract(epoch FROM jobs.finished_at) * 1000)::float8, 'failureCode', jobs.failure ->> 'code',
'metadata', jobs.request -> 'metadata', 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'costUsdMicros', (SELECT sum(cost_usd_micros) FROM attempts WHERE attempts.job = jobs.id),
'output', CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'contentType', stored.content_type, 'bytes', stored.bytes, 'sha256', encode(stored.sha256, 'hex')) END
) END AS job
FROM webhook_deliveries d
LEFT JOIN webhook_endpoints e ON e.id = d.endpoint AND e.deleted_at IS NULL
LEFT JOIN webhook_secrets s ON s.tenant = d.tenant AND d.endpoint IS NULL
LEFT JOIN jobs ON jobs.id = d.job
LEFT JOIN assets stored ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt
AND stored.stored_at IS NOT NULL AND stored.removed_at IS NULL AND stored.expires_at > clock_timestamp()
WHERE d.id = $1
--;
SELECT d.id, d.event_id AS "eventId", d.endpoint, d.job, d.kind, d.state, d.reason, d.tries,
(extract(epoch FROM d.created_at) * 1000)::float8 AS "createdAt", (extract(epoch FROM d.ended_at) * 1000)::float8 AS "endedAt",
CASE WHEN d.ended_at IS NULL THEN (extract(epoch FROM d.next_try_at) * 1000)::float8 END AS "nextTryAt",
d.redelivery_of AS "redeliveryOf" FROM webhook_deliveries d
WHERE d.endpoint = $2 AND d.tenant = $1
AND ($3::text IS NULL OR (d.created_at, d.id) <
(SELECT created_at, id FROM webhook_deliveries last WHERE last.id = $3 AND last.endpoint = $2))
ORDER BY d.created_at DESC, d.id DESC LIMIT $4
--;
SELECT d.id, d.event_id AS "eventId", d.endpoint, d.job, d.kind, d.state, d.reason, d.tries,
(extract(epoch FROM d.created_at) * 1000)::float8 AS "createdAt", (extract(epoch FROM d.ended_at) * 1000)::float8 AS "endedAt",
CASE WHEN d.ended_at IS NULL THEN (extract(epoch FROM d.next_try_at) * 1000)::float8 END AS "nextTryAt",
d.redelivery_of AS "redeliveryOf" FROM webhook_deliveries d WHERE d.id = $1 AND d.tenant = $2
--;
SELECT decide_unknown($1, $2, $3) AS stands
--;
SELECT delivery_state AS state, wait_ms AS "waitMs", disabled
FROM record_webhook_try($1, $2, $3, $4, $5, $6, $7, $8 * interval '1 millisecond', $9 * interval '1 millisecond',
$10 * interval '1 millisecond')
--;
SELECT e.id, e.url, e.events, e.description, (extract(epoch FROM e.created_at) * 1000)::float8 AS "createdAt",
(extract(epoch FROM e.disabled_at) * 1000)::float8 AS "disabledAt", e.disabled_reason AS "disabledReason",
(extract(epoch FROM r.failing_since) * 1000)::float8 AS "failingSince",
CASE WHEN e.previous_until > clock_timestamp() THEN (extract(epoch FROM e.previous_until) * 1000)::float8 END AS "previousUntil" FROM webhook_endpoints e LEFT JOIN webhook_receivers r ON r.receiver = e.id
WHERE e.id = $1 AND e.tenant = $2 AND e.deleted_at IS NULL
--;
SELECT e.id, e.url, e.events, e.description, (extract(epoch FROM e.created_at) * 1000)::float8 AS "createdAt",
(extract(epoch FROM e.disabled_at) * 1000)::float8 AS "disabledAt", e.disabled_reason AS "disabledReason",
(extract(epoch FROM r.failing_since) * 1000)::float8 AS "failingSince",
CASE WHEN e.previous_until > clock_timestamp() THEN (extract(epoch FROM e.previous_until) * 1000)::float8 END AS "previousUntil" FROM webhook_endpoints e LEFT JOIN webhook_receivers r ON r.receiver = e.id
WHERE e.tenant = $1 AND e.deleted_at IS NULL
AND ($2::text IS NULL OR (e.created_at, e.id) >
(SELECT created_at, id FROM webhook_endpoints last WHERE last.id = $2 AND last.tenant = $1))
ORDER BY e.created_at, e.id LIMIT $3
--;
SELECT end_attempt($1, $2, $3, $4, $5, $6, $7) AS ended
--;
SELECT end_webhook($1, 'dropped', $2)
--;
SELECT erase_job($1, $2) AS erased
--;
SELECT expired.* FROM tenants CROSS JOIN LATERAL (
SELECT jobs.id AS "jobId", tenant, input_image AS key FROM jobs
WHERE (input_image IS NOT NULL OR input_url IS NOT NULL) AND input_removed_at IS NULL
AND tenant = tenants.id AND finished_at <= now() - tenants.input_days_kept * interval '1 day'
ORDER BY finished_at
LIMIT $1::int + $2::int
) AS expired
LIMIT $1 OFFSET $2
--;
SELECT flows.ctid::text AS place FROM lanes JOIN flows USING (pool, class)
WHERE lanes.pool = $1 AND NOT flows.active AND flows.waiting = 0 LIMIT $2
--;
SELECT fold_spending_refunds($1, $2) AS count
--;
SELECT granted, remaining, wait_ms AS "waitMs" FROM lease_requests($1, $2, $3)
--;
SELECT held.*, budgets.committed_usd_micros / 1e6::float8 AS "committedUsd", budgets.cap_usd_micros / 1e6::float8 AS "capUsd",
coalesce((SELECT extract(epoch FROM clock_timestamp() - accepted_at) FROM tickets ORDER BY accepted_at LIMIT 1),
0)::float8 AS "oldestWaitSeconds"
FROM budgets CROSS JOIN (
SELECT coalesce(sum(permits.price_usd_micros) FILTER (WHERE zombie_since IS NULL), 0) / 1e6::float8 AS "underWayUsd",
coalesce(sum(permits.price_usd_micros) FILTER (WHERE zombie_since IS NOT NULL), 0) / 1e6::float8 AS "zombieUsd",
coalesce(sum(permits.price_usd_micros) FILTER (WHERE attempts.state = 'unknown'), 0) / 1e6::float8 AS "unknownUsd"
FROM permits LEFT JOIN attempts USING (job, attempt)
) AS held
WHERE budgets.id = 'global'
--;
SELECT id FROM jobs WHERE id = ANY($1::text[]) AND finished_at IS NULL
--;
SELECT id FROM pools ORDER BY id
--;
SELECT id, jsonb_build_object(
'requestsPerMinute', tenants.requests_per_minute,
'queuedMax', tenants.queued_max, 'queuedPerUserMax', tenants.queued_per_user_max,
'outstandingMax', tenants.outstanding_max,
'dayBudgetUsdMicros', tenants.day_budget_usd_micros, 'monthBudgetUsdMicros', tenants.month_budget_usd_micros) AS limits FROM tenants WHERE id = ANY ($1::text[])
--;
SELECT id, key FROM uploads WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 OFFSET $2
--;
SELECT id, name, weight, created_at AS "createdAt", jsonb_build_object(
'requestsPerMinute', tenants.requests_per_minute,
'queuedMax', tenants.queued_max, 'queuedPerUserMax', tenants.queued_per_user_max,
'outstandingMax', tenants.outstanding_max,
'dayBudgetUsdMicros', tenants.day_budget_usd_micros, 'monthBudgetUsdMicros', tenants.month_budget_usd_micros) AS limits,
(SELECT count(*)::int FROM api_keys WHERE api_keys.tenant = tenants.id AND api_keys.revoked_at IS NULL
AND (api_keys.expires_at IS NULL OR api_keys.expires_at > clock_timestamp())) AS "activeKeys"
FROM tenants ORDER BY id
--;
SELECT id, name, weight, created_at AS "createdAt", jsonb_build_object(
'requestsPerMinute', tenants.requests_per_minute,
'queuedMax', tenants.queued_max, 'queuedPerUserMax', tenants.queued_per_user_max,
'outstandingMax', tenants.outstanding_max,
'dayBudgetUsdMicros', tenants.day_budget_usd_micros, 'monthBudgetUsdMicros', tenants.month_budget_usd_micros) AS limits,
(SELECT count(*)::int FROM api_keys WHERE api_keys.tenant = tenants.id AND api_keys.revoked_at IS NULL
AND (api_keys.expires_at IS NULL OR api_keys.expires_at > clock_timestamp())) AS "activeKeys"
FROM tenants WHERE id = $1
--;
SELECT id, outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax",
coalesce(extract(epoch FROM nullif(next_start_at, '-infinity'))::double precision * 1000, 0) AS "nextStartAt", coalesce(extract(epoch FROM nullif(clock_timestamp(), '-infinity'))::double precision * 1000, 0) AS now,
held.outstanding, held.submitting, news.are AS "hasNews", due.is AS "hasDue"
FROM pools
CROSS JOIN LATERAL (
SELECT (SELECT id FROM tickets
WHERE tickets.pool = pools.id AND parked AND not_before <= (SELECT clock_timestamp())
ORDER BY not_before LIMIT 1) IS NOT NULL AS is
OFFSET 0
) AS due
CROSS JOIN LATERAL (
SELECT coalesce(nullif(due.is, false),
(SELECT nullif(bool_or(n > 0) OR count(*) = 100, false)
FROM (SELECT n FROM arrivals WHERE arrivals.pool = pools.id ORDER BY id LIMIT 100) AS first),
(SELECT true FROM throttles WHERE throttles.pool = pools.id LIMIT 1), false) AS are
OFFSET 0
) AS news
CROSS JOIN LATERAL (
SELECT count(*)::int AS outstanding, (count(*) FILTER (WHERE permits.submitting))::int AS submitting
FROM permits WHERE permits.pool = pools.id AND NOT news.are
) AS held
WHERE news.are
OR coalesce((SELECT true FROM flows WHERE flows.pool = pools.id AND flows.active LIMIT 1),
(SELECT true FROM tickets WHERE tickets.pool = pools.id AND kind = 'overlap' AND NOT parked LIMIT 1))
ORDER BY id
--;
SELECT id, tenant FROM jobs WHERE id = ANY ($1::text[])
--;
SELECT id, tenant, name, scopes,
CASE WHEN api_keys.revoked_at IS NULL
AND (api_keys.expires_at IS NULL OR api_keys.expires_at > clock_timestamp()) THEN 'active' WHEN revoked_at IS NULL THEN 'expired' ELSE 'revoked' END AS state,
created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"
FROM api_keys WHERE $1::text IS NULL OR tenant = $1
ORDER BY tenant, created_at DESC, id
--;
SELECT input.id, claim.job
FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::float8[])
AS tries(id, tenant, fingerprint, retry, received_ms)
ORDER BY tenant, fingerprint, retry, id) AS input
CROSS JOIN LATERAL claim_request(input.id, input.tenant, decode(input.fingerprint, 'hex'), input.retry,
to_timestamp(input.received_ms / 1000), $6 * interval '1 millisecond') AS claim(job)
--;
SELECT job AS "jobId", attempt, key FROM assets
WHERE removed_at IS NULL AND expires_at <= now()
ORDER BY expires_at
LIMIT $1 OFFSET $2
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
JOIN (SELECT id FROM (WITH RECURSIVE models(model) AS (
(SELECT model FROM jobs WHERE tenant = $1 ORDER BY model LIMIT 1)
UNION ALL
SELECT (SELECT jobs.model FROM jobs WHERE tenant = $1 AND jobs.model > models.model ORDER BY jobs.model LIMIT 1)
FROM models WHERE models.model IS NOT NULL
)
SELECT found.id
FROM (SELECT model FROM models WHERE $5::text IS NULL AND model IS NOT NULL UNION ALL SELECT $5 WHERE $5 IS NOT NULL) AS wanted(model)
CROSS JOIN unnest(CASE WHEN $4::text IS NULL THEN '{queued,in_progress,completed,failed,cancelled}' ELSE ARRAY[$4::text] END) AS status(phase)
CROSS JOIN LATERAL (
SELECT jobs.id FROM jobs
WHERE jobs.tenant = $1 AND jobs.model = wanted.model AND jobs.phase = status.phase
AND jobs.erase_requested_at IS NULL AND jobs.id < $2::text
ORDER BY jobs.erase_requested_at desc, jobs.id desc LIMIT 101
) AS found
ORDER BY found.id desc LIMIT 101) AS keys LIMIT $3) AS page USING (id)
ORDER BY jobs.id desc
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
JOIN (SELECT id FROM (WITH RECURSIVE models(model) AS (
(SELECT model FROM jobs WHERE tenant = $1 ORDER BY model LIMIT 1)
UNION ALL
SELECT (SELECT jobs.model FROM jobs WHERE tenant = $1 AND jobs.model > models.model ORDER BY jobs.model LIMIT 1)
FROM models WHERE models.model IS NOT NULL
)
SELECT found.id
FROM (SELECT model FROM models WHERE $5::text IS NULL AND model IS NOT NULL UNION ALL SELECT $5 WHERE $5 IS NOT NULL) AS wanted(model)
CROSS JOIN unnest(CASE WHEN $4::text IS NULL THEN '{queued,in_progress,completed,failed,cancelled}' ELSE ARRAY[$4::text] END) AS status(phase)
CROSS JOIN LATERAL (
SELECT jobs.id FROM jobs
WHERE jobs.tenant = $1 AND jobs.model = wanted.model AND jobs.phase = status.phase
AND jobs.erase_requested_at IS NULL AND jobs.id < $2::text
ORDER BY jobs.erase_requested_at desc, jobs.id desc LIMIT 21
) AS found
ORDER BY found.id desc LIMIT 21) AS keys LIMIT $3) AS page USING (id)
ORDER BY jobs.id desc
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
JOIN (SELECT id FROM (WITH RECURSIVE models(model) AS (
(SELECT model FROM jobs WHERE tenant = $1 ORDER BY model LIMIT 1)
UNION ALL
SELECT (SELECT jobs.model FROM jobs WHERE tenant = $1 AND jobs.model > models.model ORDER BY jobs.model LIMIT 1)
FROM models WHERE models.model IS NOT NULL
)
SELECT found.id
FROM (SELECT model FROM models WHERE $5::text IS NULL AND model IS NOT NULL UNION ALL SELECT $5 WHERE $5 IS NOT NULL) AS wanted(model)
CROSS JOIN unnest(CASE WHEN $4::text IS NULL THEN '{queued,in_progress,completed,failed,cancelled}' ELSE ARRAY[$4::text] END) AS status(phase)
CROSS JOIN LATERAL (
SELECT jobs.id FROM jobs
WHERE jobs.tenant = $1 AND jobs.model = wanted.model AND jobs.phase = status.phase
AND jobs.erase_requested_at IS NULL AND jobs.id > $2::text
ORDER BY jobs.erase_requested_at asc, jobs.id asc LIMIT 101
) AS found
ORDER BY found.id asc LIMIT 101) AS keys LIMIT $3) AS page USING (id)
ORDER BY jobs.id asc
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
JOIN (SELECT id FROM (WITH RECURSIVE models(model) AS (
(SELECT model FROM jobs WHERE tenant = $1 ORDER BY model LIMIT 1)
UNION ALL
SELECT (SELECT jobs.model FROM jobs WHERE tenant = $1 AND jobs.model > models.model ORDER BY jobs.model LIMIT 1)
FROM models WHERE models.model IS NOT NULL
)
SELECT found.id
FROM (SELECT model FROM models WHERE $5::text IS NULL AND model IS NOT NULL UNION ALL SELECT $5 WHERE $5 IS NOT NULL) AS wanted(model)
CROSS JOIN unnest(CASE WHEN $4::text IS NULL THEN '{queued,in_progress,completed,failed,cancelled}' ELSE ARRAY[$4::text] END) AS status(phase)
CROSS JOIN LATERAL (
SELECT jobs.id FROM jobs
WHERE jobs.tenant = $1 AND jobs.model = wanted.model AND jobs.phase = status.phase
AND jobs.erase_requested_at IS NULL AND jobs.id > $2::text
ORDER BY jobs.erase_requested_at asc, jobs.id asc LIMIT 21
) AS found
ORDER BY found.id asc LIMIT 21) AS keys LIMIT $3) AS page USING (id)
ORDER BY jobs.id asc
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
JOIN unnest($1::text[], $2::text[]) AS asked(id, tenant) ON asked.id = jobs.id AND asked.tenant = jobs.tenant
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
WHERE jobs.id = $1 AND jobs.tenant = $2
--;
SELECT jobs.id, jobs.tenant, jobs.phase, jobs.model, jobs.request, jobs.route::text AS route, jobs.failure,
jobs.event_seq AS "eventSeq",
(extract(epoch FROM jobs.accepted_at) * 1000)::float8 AS "acceptedAt", (extract(epoch FROM jobs.finished_at) * 1000)::float8 AS "finishedAt",
(extract(epoch FROM coalesce(jobs.finished_at, clock_timestamp()) - jobs.started_at) * 1000)::float8 AS "elapsedMs",
jobs.dispatched_at IS NOT NULL AS dispatched,
EXISTS (SELECT 1 FROM tickets WHERE tickets.job = jobs.id AND kind <> 'overlap') AS "isWaiting",
ledger.attempts, ledger.cost AS "costUsdMicros",
served.provider AS "servedProvider", served.target AS "servedTarget", CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM (SELECT * FROM jobs WHERE erase_requested_at IS NULL) AS jobs
CROSS JOIN LATERAL (
SELECT count(*)::int AS attempts, sum(cost_usd_micros)::float8 AS cost FROM attempts WHERE attempts.job = jobs.id
) AS ledger
LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
WHERE jobs.id = ANY($1::text[])
--;
SELECT jobs.phase, CASE WHEN stored.key IS NOT NULL THEN jsonb_build_object(
'key', stored.key, 'contentType', stored.content_type, 'bytes', stored.bytes,
'sha256', encode(stored.sha256, 'hex'), 'expiresAt', (extract(epoch FROM stored.expires_at) * 1000)::float8,
'isGone', stored.removed_at IS NOT NULL OR stored.expires_at <= clock_timestamp()) END AS asset
FROM jobs
LEFT JOIN assets stored
ON stored.job = jobs.id AND stored.attempt = jobs.served_attempt AND stored.stored_at IS NOT NULL
WHERE jobs.id = $1 AND jobs.tenant = $2 AND jobs.erase_requested_at IS NULL
--;
SELECT keep_asset($1, $2, $3, $4, $5, $6) AS verdict
--;
SELECT key, bytes, (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAt" FROM uploads WHERE id = $1 AND expires_at > now()
--;
SELECT key, bytes, (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAt" FROM uploads WHERE id = $1 AND tenant = $2 AND expires_at > now()
--;
SELECT name FROM spillway_migrations ORDER BY id
--;
SELECT next, delivery AS id, delivery_tries AS tries, waited_ms AS "lateMs"
FROM claim_webhooks($1, $2, $3, $4, $5, $6 * interval '1 millisecond')
--;
SELECT outstanding_max AS "outstandingMax", per_minute_max AS "perMinuteMax", overlap_tokens AS "overlapTokens",
coalesce(extract(epoch FROM nullif(next_start_at, '-infinity'))::double precision * 1000, 0) AS "nextStartAt", coalesce(extract(epoch FROM nullif(overlap_at, '-infinity'))::double precision * 1000, 0) AS "overlapAt", learned,
EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL) AS "isCapped",
EXISTS (SELECT 1 FROM tenants WHERE day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL)
AS "hasTenantBudgets"
FROM pools WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED
--;
SELECT pg_advisory_lock(7241865325823964)
--;
SELECT pg_advisory_unlock($1)
--;
SELECT pg_advisory_unlock(7241865325823964) AS "lockReleased"
--;
SELECT pg_notify($1, $2)
--;
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS tx
--;
SELECT pg_try_advisory_lock($1) AS ours
--;
SELECT phase, served_attempt AS attempt, failure, was_settled_now AS "settledNow" FROM settle_job($1, $2, $3, $4)
--;
SELECT place.* FROM unnest($1::text[]) AS asked(job) CROSS JOIN LATERAL (
SELECT mine.job, mine.pool, mine.target_name AS target, mine.tenant,
mine.priority AS class,
coalesce((SELECT weight FROM tenants WHERE tenants.id = mine.tenant), 1) AS weight,
mine.price_usd_micros::float8 AS "priceUsdMicros",
CASE WHEN mine.parked THEN greatest((extract(epoch FROM mine.not_before - clock_timestamp()) * 1000)::float8, 0) END AS "parkedMs",
mine.over_budget AS "isOverBudget",
CASE WHEN flow.active THEN flow.tag END AS tag,
coalesce(CASE WHEN flow.active THEN flow.since END, pending.since)::float8 AS since,
(SELECT coalesce(jsonb_object_agg(target_name, waiting), '{}') FROM (
SELECT * FROM flows
WHERE flows.pool = mine.pool AND flows.class = mine.priority AND flows.tenant = mine.tenant
AND flows.caller = mine.caller
OFFSET 0
) AS own WHERE own.active AND own.target_name <> mine.target_name AND own.since < flow.since) AS besides,
jsonb_build_object(
'ahead', ahead.count, 'waiting', coalesce(flow.waiting, 0) + pending.count, 'later', later.count,
'behind', behind.count, 'bucket', coalesce(bucket.n, 0),
'shareBehind', CASE WHEN behind.count = 500 THEN
(SELECT (max(id) - mine.id)::float8 / greatest(max(id) - min(id), 1) FROM (
(SELECT id FROM tickets WHERE tickets.pool = mine.pool AND tickets.target_name = mine.target_name AND tickets.tenant = mine.tenant AND tickets.caller = mine.caller AND tickets.priority = mine.priority AND tickets.kind <> 'overlap' AND NOT tickets.parked AND tickets.accepted_at >= bucket.from_at
ORDER BY accepted_at NULLS FIRST, id LIMIT 1)
UNION ALL
(SELECT id FROM tickets WHERE tickets.pool = mine.pool AND tickets.target_name = mine.target_name AND tickets.tenant = mine.tenant AND tickets.caller = mine.caller AND tickets.priority = mine.priority AND tickets.kind <> 'overlap' AND NOT tickets.parked AND tickets.accepted_at < coalesce(later.from_at, 'infinity')
ORDER BY accepted_at DESC NULLS LAST, id DESC LIMIT 1)) AS ends) END) AS depth,
(SELECT coalesce(jsonb_agg(jsonb_build_object('class', class, 'virtualTime', virtual_time, 'tag', tag)), '[]')
FROM lanes WHERE lanes.pool = mine.pool) AS lanes
FROM tickets mine
LEFT JOIN flows flow ON flow.pool = mine.pool AND flow.target_name = mine.target_name AND flow.tenant = mine.tenant AND flow.caller = mine.caller AND flow.class = mine.priority
CROSS JOIN LATERAL (
SELECT coalesce(sum(n), 0)::int AS count, min(id) FILTER (WHERE n > 0) AS since
FROM (SELECT * FROM arrivals WHERE arrivals.pool = mine.pool ORDER BY id LIMIT 5000) AS arrivals
WHERE arrivals.pool = mine.pool AND arrivals.target_name = mine.target_name AND arrivals.tenant = mine.tenant AND arrivals.caller = mine.caller AND arrivals.class = mine.priority
) AS pending
CROSS JOIN LATERAL (
SELECT count(*)::int AS count FROM (
SELECT FROM tickets WHERE tickets.pool = mine.pool AND tickets.target_name = mine.target_name AND tickets.tenant = mine.tenant AND tickets.caller = mine.caller AND tickets.priority = mine.priority AND tickets.kind <> 'overlap' AND NOT tickets.parked AND (tickets.accepted_at, tickets.id) < (mine.accepted_at, mine.id)
ORDER BY accepted_at DESC NULLS LAST, id DESC LIMIT (SELECT 256)
) AS before
) AS ahead
LEFT JOIN LATERAL (
SELECT from_at, n FROM depths
WHERE depths.pool = mine.pool AND depths.target_name = mine.target_name AND depths.tenant = mine.tenant AND depths.caller = mine.caller AND depths.class = mine.priority AND depths.from_at <= mine.accepted_at AND ahead.count = 256
ORDER BY from_at DESC LIMIT 1
) AS bucket ON true
CROSS JOIN LATERAL (
SELECT coalesce(sum(n), 0)::int AS count, min(from_at) AS from_at FROM depths
WHERE depths.pool = mine.pool AND depths.target_name = mine.target_name AND depths.tenant = mine.tenant AND depths.caller = mine.caller AND depths.class = mine.priority AND depths.from_at > coalesce(bucket.from_at, '-infinity')
AND ahead.count = 256
) AS later
CROSS JOIN LATERAL (
-- The end of the bucket is asked of what was found: with both ends tickets_by_age would look like a way.
SELECT (count(*) FILTER (WHERE accepted_at < coalesce(later.from_at, 'infinity')))::int AS count FROM (
SELECT accepted_at FROM tickets
WHERE tickets.pool = mine.pool AND tickets.target_name = mine.target_name AND tickets.tenant = mine.tenant AND tickets.caller = mine.caller AND tickets.priority = mine.priority AND tickets.kind <> 'overlap' AND NOT tickets.parked AND (tickets.accepted_at, tickets.id) > (mine.accepted_at, mine.id)
AND ahead.count = 256
ORDER BY accepted_at NULLS FIRST, id LIMIT (SELECT 500)
) AS after
) AS behind
WHERE mine.job = asked.job AND mine.kind <> 'overlap'
-- One after the other, as the planner would have it for one.
OFFSET 0) AS place
--;
SELECT place.tenant, event.* FROM unnest($1::text[], $2::xid8[], $3::text[], $4::int[]) AS place(tenant, tx, job, seq)
CROSS JOIN LATERAL (
SELECT e.tx::text AS tx, e.job, e.seq, e.at, e.kind, e.data,
e.tx < pg_snapshot_xmin(pg_current_snapshot()) AS "isSettled"
FROM job_events e
WHERE e.tenant = place.tenant AND (e.tx, e.job, e.seq) > (place.tx, place.job, place.seq)
ORDER BY e.tx, e.job, e.seq
LIMIT $5
) AS event
--;
SELECT pool, name, admits IS NOT NULL AS "isOpen"
FROM targets
WHERE CASE WHEN admits IS NULL
THEN (SELECT spill_at FROM tickets
WHERE tickets.pool = targets.pool AND target_name = targets.name AND NOT parked AND spill_at < 'infinity'
ORDER BY spill_at LIMIT 1) <= clock_timestamp()
ELSE (SELECT id FROM tickets
WHERE tickets.pool = targets.pool AND target_name = targets.name AND kind <> 'overlap' AND NOT parked
ORDER BY priority, tenant, caller LIMIT 1) IS NOT NULL
OR (SELECT id FROM tickets
WHERE tickets.pool = targets.pool AND target_name = targets.name AND kind = 'overlap' AND NOT parked
ORDER BY accepted_at, id LIMIT 1) IS NOT NULL
END
ORDER BY pool, name
--;
SELECT pool, name, health, durations, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now FROM targets ORDER BY pool, name
--;
SELECT pools.id AS pool, outstanding_max AS configured, coalesce(working_max, outstanding_max) AS working,
permits.held, permits.zombies,
coalesce((SELECT sum(greatest(waiting, 0)) FROM flows WHERE flows.pool = pools.id AND flows.active), 0)::int AS waiting,
coalesce(extract(epoch FROM clock_timestamp() - (
SELECT min(head.accepted_at) FROM lanes JOIN targets ON targets.pool = lanes.pool
CROSS JOIN LATERAL (
SELECT * FROM flows
WHERE flows.pool = pools.id AND flows.class = lanes.class AND flows.target_name = targets.name AND active
ORDER BY tag, since LIMIT 1
) AS next
CROSS JOIN LATERAL (
SELECT accepted_at FROM tickets
WHERE tickets.pool = pools.id AND tickets.target_name = next.target_name AND priority = next.class
AND tickets.tenant = next.tenant AND tickets.caller = next.caller AND kind <> 'overlap' AND NOT parked
ORDER BY accepted_at NULLS FIRST, id LIMIT 1
) AS head
WHERE lanes.pool = pools.id)), 0)::float8 AS "nextWaitSeconds"
FROM pools CROSS JOIN LATERAL (
SELECT count(*)::int AS held, (count(zombie_since))::int AS zombies FROM permits WHERE permits.pool = pools.id
) AS permits
--;
SELECT queue_attempt($1, $2, $3, $4, $5 * interval '1 millisecond') AS answer
--;
SELECT receive_callback($1, $2, $3, $4, $5, $6, $7, $8, $9) AS verdict
--;
SELECT request, tenant, input_image AS "inputImage", input_prepared AS "inputPrepared", input_url AS "inputUrl", route
FROM jobs WHERE id = $1
--;
SELECT request_cancel($1, $2) AS phase
--;
SELECT route, coalesce((SELECT jsonb_agg(jsonb_build_object('target', target, 'priceUsdMicros', price_usd_micros))
FROM attempts WHERE attempts.job = jobs.id AND ended_at IS NULL), '[]') AS attempts
FROM jobs WHERE id = $1 AND tenant = $2 AND erase_requested_at IS NULL
--;
SELECT secret FROM signing_keys WHERE id = 'client_tokens'
--;
SELECT secret FROM signing_keys WHERE id = 'urls'
--;
SELECT secret FROM webhook_secrets WHERE tenant = $1
--;
SELECT seq, at, kind, data FROM job_events WHERE job = $1 AND tenant = $2 AND seq > $3 ORDER BY seq
--;
SELECT seq, at, kind, data FROM job_events WHERE job = $1 AND tenant = $2 ORDER BY seq
--;
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'spillway_migrations'
--;
SELECT targets.pool, targets.name, made.count, made.quantiles AS "quantilesMs",
made.before AS "beforeMs", made.after AS "afterMs"
FROM targets CROSS JOIN LATERAL (
SELECT count(*)::int AS count, percentile_cont($1::float8[]) WITHIN GROUP (ORDER BY ms) AS quantiles,
percentile_cont(0.5) WITHIN GROUP (ORDER BY before) AS before, percentile_cont(0.8) WITHIN GROUP (ORDER BY after) AS after
FROM (
SELECT (extract(epoch FROM newest.ended_at - newest.submitted_at) * 1000)::float8 AS ms, (extract(epoch FROM jobs.finished_at - newest.ended_at) * 1000)::float8 AS after,
CASE WHEN newest.attempt = 1 THEN (extract(epoch FROM newest.submitted_at - jobs.dispatched_at) * 1000)::float8 END AS before
FROM (
SELECT job, attempt, outcome, submitted_at, ended_at FROM attempts
WHERE attempts.pool = targets.pool AND attempts.target_name = targets.name COLLATE "default" AND ended_at IS NOT NULL
ORDER BY ended_at DESC
LIMIT 1000
) AS newest JOIN jobs ON jobs.id = newest.job
WHERE newest.outcome = 'finished' AND (jobs.finished_at IS NULL OR jobs.finished_at >= newest.ended_at)
ORDER BY newest.ended_at DESC
LIMIT 300
) AS finished
) AS made
WHERE made.count > 0
--;
SELECT to_regclass($1) AS oid
--;
SELECT verdict, delivery_state AS state, delivery_tries AS tries, wait_ms AS "waitMs"
FROM claim_webhook($1, $2, $3, $4 * interval '1 millisecond')
--;
SELECT verdict, failure FROM begin_asset($1, $2, $3)
--;
SELECT verdict, failure FROM begin_attempt($1, $2, $3, $4, $5, $6, $7, $8 * interval '1 millisecond')
--;
SELECT verdict, failure FROM fail_asset($1, $2, $3)
--;
UPDATE api_keys SET last_used_at = clock_timestamp()
WHERE id = ANY ($1::text[])
AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
--;
UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING tenant
--;
UPDATE assets SET removed_at = clock_timestamp()
FROM (SELECT * FROM unnest($1::text[], $2::int[]) AS gone(job, attempt) ORDER BY job, attempt) AS gone
WHERE assets.job = gone.job AND assets.attempt = gone.attempt
AND removed_at IS NULL AND expires_at <= now()
--;
UPDATE attempts SET erasure = $3 WHERE job = $1 AND attempt = $2
--;
UPDATE attempts SET video_url = $3 WHERE job = $1 AND attempt = $2
--;
UPDATE erasures
SET due_at = clock_timestamp() + $3 * interval '1 millisecond',
tries = tries + CASE WHEN $2 = 'failed' THEN 1 ELSE 0 END,
erased_at = CASE WHEN $2 IN ('erased', 'closed') THEN coalesce(erased_at, clock_timestamp()) ELSE erased_at END,
closed_at = CASE WHEN $2 = 'closed' THEN clock_timestamp() END
WHERE job = $1
--;
UPDATE jobs SET input_image = $2, input_prepared = true, input_url = NULL
WHERE id = $1 AND input_removed_at IS NULL AND (input_image IS NOT NULL OR input_url IS NOT NULL)
--;
UPDATE jobs SET input_removed_at = clock_timestamp(), input_url = NULL
FROM (SELECT id FROM unnest($1::text[]) AS gone(id) ORDER BY id) AS gone
WHERE jobs.id = gone.id AND input_removed_at IS NULL
--;
UPDATE mailbox SET leased_until = clock_timestamp() + $2 * interval '1 millisecond' WHERE id = ANY($1::bigint[])
--;
UPDATE targets
SET health = $3, admits = $4, probing_since = to_timestamp($5::float8 / 1000), health_at = clock_timestamp()
WHERE pool = $1 AND name = $2
--;
UPDATE targets SET durations = $3 WHERE pool = $1 AND name = $2 AND durations IS DISTINCT FROM $3
--;
UPDATE tenants SET (name, weight, requests_per_minute, queued_max, queued_per_user_max, outstanding_max,
day_budget_usd_micros, month_budget_usd_micros) =
(SELECT name, weight, requests_per_minute, queued_max, queued_per_user_max, outstanding_max,
day_budget_usd_micros, month_budget_usd_micros FROM jsonb_populate_record(tenants, $2::jsonb) AS changed)
WHERE id = $1
--;
UPDATE tickets SET parked = false
WHERE id = ANY (ARRAY(SELECT id FROM tickets WHERE pool = $1 AND parked AND not_before <= (SELECT clock_timestamp())
ORDER BY not_before LIMIT 5000 FOR UPDATE SKIP LOCKED))
--;
UPDATE webhook_deliveries SET relay_at = next_try_at WHERE id = $1 AND ended_at IS NULL
--;
UPDATE webhook_endpoints
SET deleted_at = clock_timestamp(), url = '', secret = '', previous_secret = NULL, previous_until = NULL,
description = ''
WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL
--;
UPDATE webhook_endpoints SET previous_secret = NULL, previous_until = NULL WHERE previous_until < now()
--;
UPDATE webhook_secrets SET previous_secret = NULL, previous_until = NULL WHERE previous_until < now()
--;
WITH RECURSIVE models(model) AS (
(SELECT model FROM jobs WHERE tenant = $1 ORDER BY model LIMIT 1)
UNION ALL
SELECT (SELECT jobs.model FROM jobs WHERE tenant = $1 AND jobs.model > models.model ORDER BY jobs.model LIMIT 1)
FROM models WHERE models.model IS NOT NULL
)
SELECT count(*)::int AS count FROM (
SELECT 1 FROM models
CROSS JOIN LATERAL (
SELECT 1 FROM jobs
WHERE tenant = $1 AND jobs.model = models.model AND phase IN ('queued', 'in_progress') LIMIT $2
) AS open
LIMIT $2
) AS counted
--;
WITH budget AS (
SELECT id, cap_usd_micros IS NULL AND $1::bigint IS NOT NULL AS is_new FROM budgets WHERE id = 'global' FOR NO KEY UPDATE
), stale AS (
DELETE FROM refunds USING budget WHERE refunds.budget = budget.id AND budget.is_new
)
UPDATE budgets
SET cap_usd_micros = $1,
committed_usd_micros = CASE WHEN NOT budget.is_new THEN committed_usd_micros ELSE
(SELECT coalesce(sum(cost_usd_micros), 0) FROM attempts) + (SELECT coalesce(sum(price_usd_micros), 0) FROM permits)
END
FROM budget WHERE budgets.id = budget.id
--;
WITH chosen AS (
SELECT * FROM unnest($2::bigint[], $3::double precision[]) AS chosen(id, start_ms)
), locked AS MATERIALIZED (
SELECT chosen.id, chosen.start_ms
FROM chosen JOIN tickets ON tickets.id = chosen.id JOIN jobs ON jobs.id = tickets.job
WHERE jobs.finished_at IS NULL
FOR NO KEY UPDATE OF jobs SKIP LOCKED
), claimed AS (
DELETE FROM tickets USING locked WHERE tickets.id = locked.id
RETURNING tickets.*, to_timestamp(locked.start_ms / 1000) AS start_at
), granted AS (
INSERT INTO permits (job, attempt, pool, target, target_name, granted_at, start_at, price_usd_micros, reserved_usd_micros)
SELECT job, attempt, pool, target, target_name, clock_timestamp(), start_at, price_usd_micros,
CASE WHEN tenant = ANY ($12::text[]) THEN greatest(reserved_usd_micros, price_usd_micros) ELSE reserved_usd_micros END
FROM claimed ORDER BY start_at
ON CONFLICT (job, attempt) DO NOTHING
RETURNING grant_id, job, attempt, target, target_name, start_at, price_usd_micros, reserved_usd_micros
), dispatched AS (
UPDATE jobs SET dispatched_at = clock_timestamp()
FROM granted WHERE jobs.id = granted.job AND jobs.dispatched_at IS NULL
RETURNING jobs.id
), mailed AS (
INSERT INTO mailbox (job, kind, attempt, payload, not_before)
SELECT job,
CASE WHEN job IN (SELECT id FROM dispatched) THEN 'start' ELSE 'permit' END,
attempt,
jsonb_build_object('attempt', attempt, 'target', target, 'grant', grant_id::text),
start_at
FROM granted
ON CONFLICT (job, kind, attempt) DO NOTHING
), committed AS (
UPDATE budgets
SET committed_usd_micros = committed_usd_micros + (SELECT coalesce(sum(price_usd_micros), 0)::bigint FROM granted)
WHERE id = 'global' AND cap_usd_micros IS NOT NULL AND EXISTS (SELECT 1 FROM granted)
), raised AS (
SELECT claimed.tenant, budget_day(claimed.accepted_at) AS day,
sum(granted.reserved_usd_micros - coalesce(claimed.reserved_usd_micros, 0)) AS usd_micros
FROM claimed JOIN granted ON granted.job = claimed.job AND granted.attempt = claimed.attempt
WHERE claimed.tenant = ANY ($12::text[])
GROUP BY 1, 2
-- Other days of the same tenant are not held: to touch them now, with jobs locked, would be a deadlock.
HAVING sum(granted.reserved_usd_micros - coalesce(claimed.reserved_usd_micros, 0)) > 0
), charged_budgets AS (
UPDATE spending SET committed_usd_micros = committed_usd_micros + sums.usd_micros
FROM (
SELECT tenant, its.period, its.starts_on, sum(usd_micros) AS usd_micros
FROM raised CROSS JOIN LATERAL (VALUES
('day', day), ('month', date_trunc('month', day::timestamp)::date)) AS its(period, starts_on)
GROUP BY 1, 2, 3
) AS sums
WHERE spending.tenant = sums.tenant AND spending.period = sums.period AND spending.starts_on = sums.starts_on
), paced AS (
UPDATE pools
SET next_start_at = to_timestamp($4::float8 / 1000), overlap_tokens = $5::float8, overlap_at = clock_timestamp(),
learned = $6::jsonb, working_max = $7::int
WHERE id = $1
), served_lanes AS (
UPDATE lanes SET virtual_time = lane."virtualTime", tag = lane.tag
FROM jsonb_to_recordset($8::jsonb) AS lane(class smallint, "virtualTime" float8, tag float8)
WHERE lanes.pool = $1 AND lanes.class = lane.class
AND (lanes.virtual_time, lanes.tag) IS DISTINCT FROM (lane."virtualTime", lane.tag)
), charged AS (
UPDATE shares SET tag = share.tag
FROM jsonb_to_recordset($11::jsonb) AS share(class smallint, tenant text, tag float8)
WHERE shares.pool = $1 AND shares.class = share.class AND shares.tenant = share.tenant
), whole AS MATERIALIZED (
SELECT count(*) = cardinality($2::bigint[]) AS is_claimed FROM claimed
), served AS (
SELECT own.place, flow.tag, whole.is_claimed AND flow.emptied ? own.target_name AS is_emptied,
CASE WHEN whole.is_claimed THEN coalesce((flow.served ->> own.target_name)::int, 0) ELSE
(SELECT count(*) FROM claimed
WHERE claimed.kind <> 'overlap' AND claimed.priority = flow.class AND claimed.tenant = flow.tenant
AND claimed.caller = flow.caller AND claimed.target_name = own.target_name) END AS gone
FROM whole
CROSS JOIN jsonb_to_recordset($9::jsonb)
AS flow(class smallint, tenant text, caller text, tag float8, served jsonb, emptied jsonb)
CROSS JOIN LATERAL (
SELECT flows.ctid AS place, flows.target_name FROM flows
WHERE flows.pool = $1 AND flows.class = flow.class AND flows.tenant = flow.tenant AND flows.caller = flow.caller
OFFSET 0
) AS own
), served_flows AS (
UPDATE flows SET tag = served.tag, waiting = flows.waiting - served.gone, active = flows.active AND NOT served.is_emptied
FROM served WHERE flows.ctid = served.place
), noted AS (
UPDATE targets
SET granted_total = granted_total + coalesce(granted_now.count, 0),
next_start_at = coalesce(to_timestamp(target."nextStartAt" / 1000), targets.next_start_at),
wait_reason = CASE WHEN target.name IS NULL THEN targets.wait_reason ELSE target.reason END
FROM jsonb_to_recordset($10::jsonb) AS target(name text, "nextStartAt" float8, reason text)
FULL JOIN (SELECT target_name, count(*) AS count FROM granted GROUP BY target_name) AS granted_now
ON granted_now.target_name = target.name
WHERE targets.pool = $1 AND targets.name = coalesce(target.name, granted_now.target_name)
)
SELECT count(*)::int AS count FROM granted
--;
WITH chosen AS MATERIALIZED (
SELECT id, phase, model, accepted_at, served_attempt, (request ->> 'seconds')::float8 AS seconds
FROM jobs
WHERE tenant = $1 AND id >= 'video_' || overlay(lpad(to_hex((extract(epoch FROM (($2::date::timestamp - interval '1 hour') AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
PLACING '-' FROM 9 FOR 0) AND id < 'video_' || overlay(lpad(to_hex((extract(epoch FROM (($3::date::timestamp + interval '25 hours') AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
PLACING '-' FROM 9 FOR 0)
AND accepted_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND accepted_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
), its AS MATERIALIZED (
SELECT chosen.*, budget_day(chosen.accepted_at)::text AS "group" FROM chosen
), phases AS (
SELECT "group", phase, count(*) AS jobs, coalesce(sum(seconds) FILTER (WHERE phase = 'completed'), 0) AS seconds
FROM its GROUP BY 1, 2
), paid AS (
SELECT its."group" AS "group", count(*) AS attempts, coalesce(sum(cost_usd_micros), 0) AS cost
FROM its JOIN attempts ON attempts.job = its.id GROUP BY 1
)
SELECT "group", coalesce(jsonb_object_agg(phase, jobs) FILTER (WHERE phase IS NOT NULL), '{}') AS jobs,
coalesce(max(attempts), 0)::int AS attempts, coalesce(sum(seconds), 0)::float8 AS seconds,
coalesce(max(cost), 0)::float8 AS "costUsdMicros"
FROM (
SELECT "group", phase, jobs, seconds, NULL::bigint AS attempts, NULL::numeric AS cost FROM phases
UNION ALL
SELECT "group", NULL, NULL, NULL, attempts, cost FROM paid
) AS parts
GROUP BY "group" ORDER BY "group" NULLS LAST
--;
WITH chosen AS MATERIALIZED (
SELECT id, phase, model, accepted_at, served_attempt, (request ->> 'seconds')::float8 AS seconds
FROM jobs
WHERE tenant = $1 AND id >= 'video_' || overlay(lpad(to_hex((extract(epoch FROM (($2::date::timestamp - interval '1 hour') AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
PLACING '-' FROM 9 FOR 0) AND id < 'video_' || overlay(lpad(to_hex((extract(epoch FROM (($3::date::timestamp + interval '25 hours') AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
PLACING '-' FROM 9 FOR 0)
AND accepted_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND accepted_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
), its AS MATERIALIZED (
SELECT chosen.*, chosen.model AS "group" FROM chosen
), phases AS (
SELECT "group", phase, count(*) AS jobs, coalesce(sum(seconds) FILTER (WHERE phase = 'completed'), 0) AS seconds
FROM its GROUP BY 1, 2
), paid AS (
SELECT its."group" AS "group", count(*) AS attempts, coalesce(sum(cost_usd_micros), 0) AS cost
FROM its JOIN attempts ON attempts.job = its.id GROUP BY 1
)
SELECT "group", coalesce(jsonb_object_agg(phase, jobs) FILTER (WHERE phase IS NOT NULL), '{}') AS jobs,
coalesce(max(attempts), 0)::int AS attempts, coalesce(sum(seconds), 0)::float8 AS seconds,
coalesce(max(cost), 0)::float8 AS "costUsdMicros"
FROM (
SELECT "group", phase, jobs, seconds, NULL::bigint AS attempts, NULL::numeric AS cost FROM phases
UNION ALL
SELECT "group", NULL, NULL, NULL, attempts, cost FROM paid
) AS parts
GROUP BY "group" ORDER BY "group" NULLS LAST
--;
WITH chosen AS MATERIALIZED (
SELECT id, phase, model, accepted_at, served_attempt, (request ->> 'seconds')::float8 AS seconds
FROM jobs
WHERE tenant = $1 AND id >= 'video_' || overlay(lpad(to_hex((extract(epoch FROM (($2::date::timestamp - interval '1 hour') AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
PLACING '-' FROM 9 FOR 0) AND id < 'video_' || overlay(lpad(to_hex((extract(epoch FROM (($3::date::timestamp + interval '25 hours') AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
PLACING '-' FROM 9 FOR 0)
AND accepted_at >= $2::date::timestamp AT TIME ZONE 'UTC' AND accepted_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
), its AS MATERIALIZED (
SELECT chosen.*, coalesce((SELECT provider FROM attempts WHERE job = chosen.id AND attempt = chosen.served_attempt),
(SELECT provider FROM attempts WHERE job = chosen.id ORDER BY attempt DESC LIMIT 1)) AS "group" FROM chosen
), phases AS (
SELECT "group", phase, count(*) AS jobs, coalesce(sum(seconds) FILTER (WHERE phase = 'completed'), 0) AS seconds
FROM its GROUP BY 1, 2
), paid AS (
SELECT attempts.provider AS "group", count(*) AS attempts, coalesce(sum(cost_usd_micros), 0) AS cost
FROM its JOIN attempts ON attempts.job = its.id GROUP BY 1
)
SELECT "group", coalesce(jsonb_object_agg(phase, jobs) FILTER (WHERE phase IS NOT NULL), '{}') AS jobs,
coalesce(max(attempts), 0)::int AS attempts, coalesce(sum(seconds), 0)::float8 AS seconds,
coalesce(max(cost), 0)::float8 AS "costUsdMicros"
FROM (
SELECT "group", phase, jobs, seconds, NULL::bigint AS attempts, NULL::numeric AS cost FROM phases
UNION ALL
SELECT "group", NULL, NULL, NULL, attempts, cost FROM paid
) AS parts
GROUP BY "group" ORDER BY "group" NULLS LAST
--;
WITH due AS (
SELECT id FROM mailbox
WHERE leased_until <= (SELECT clock_timestamp())
AND not_before <= (SELECT clock_timestamp()) + 400 * interval '1 millisecond'
ORDER BY id
LIMIT $1
FOR UPDATE SKIP LOCKED
), leased AS (
UPDATE mailbox SET leased_until = clock_timestamp() + 30 * interval '1 second', tries = tries + 1
FROM due WHERE mailbox.id = due.id
RETURNING mailbox.*
)
SELECT leased.id::text, leased.job, leased.kind, leased.attempt, leased.payload, leased.tries, jobs.phase, jobs.route,
greatest(0, extract(epoch FROM nullif(leased.not_before, '-infinity') - clock_timestamp()) * 1000)::float8 AS "waitMs"
FROM leased JOIN jobs ON jobs.id = leased.job
ORDER BY leased.id
--;
WITH due AS (
SELECT job FROM erasures WHERE closed_at IS NULL AND due_at <= (SELECT clock_timestamp())
ORDER BY due_at LIMIT $1
FOR UPDATE SKIP LOCKED
), leased AS (
UPDATE erasures SET due_at = clock_timestamp() + $2 * interval '1 millisecond'
FROM due WHERE erasures.job = due.job
RETURNING erasures.*
)
SELECT leased.job AS "jobId", leased.tenant, leased.tries, jobs.finished_at IS NOT NULL AS "isFinal",
leased.erased_at IS NOT NULL AS "isErased", (extract(epoch FROM clock_timestamp() - leased.requested_at) * 1000)::float8 AS "ageMs",
ARRAY(SELECT key FROM assets WHERE assets.job = leased.job ORDER BY attempt) AS "assetKeys",
coalesce((SELECT jsonb_agg(jsonb_build_object('attempt', attempt, 'provider', provider, 'operation', operation,
'model', jobs.route -> target::int ->> 'vendorModel', 'hasEnded', ended_at IS NOT NULL)
ORDER BY attempt)
FROM attempts WHERE attempts.job = leased.job AND erasure IS NULL AND state <> 'refused'), '[]') AS attempts
FROM leased JOIN jobs ON jobs.id = leased.job
--;
WITH due AS (
SELECT p.grant_id, a.job, a.attempt, a.provider, a.operation,
j.route -> a.target::int ->> 'vendorModel' AS model,
a.submitted_at + (j.route -> a.target::int ->> 'longestMs')::float8 * interval '1 millisecond' < clock_timestamp() AS expired
FROM permits p
JOIN attempts a ON a.job = p.job AND a.attempt = p.attempt
JOIN jobs j ON j.id = p.job
WHERE a.ended_at IS NULL
AND (p.zombie_since IS NOT NULL
OR a.submitted_at + (j.route -> a.target::int ->> 'longestMs')::float8 * interval '1 millisecond' < clock_timestamp())
AND (p.checked_at IS NULL OR p.checked_at < clock_timestamp() - $1 * interval '1 millisecond')
ORDER BY p.checked_at NULLS FIRST
LIMIT $2
), leased AS (
UPDATE permits SET checked_at = clock_timestamp() FROM due WHERE permits.grant_id = due.grant_id
)
SELECT job, attempt, provider, operation, model, expired AS "isExpired" FROM due
--;
WITH e AS (
INSERT INTO webhook_endpoints (id, tenant, url, events, description, secret)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM webhook_endpoints WHERE tenant = $2 AND deleted_at IS NULL) < $7
RETURNING *
)
SELECT e.id, e.url, e.events, e.description, (extract(epoch FROM e.created_at) * 1000)::float8 AS "createdAt",
(extract(epoch FROM e.disabled_at) * 1000)::float8 AS "disabledAt", e.disabled_reason AS "disabledReason",
(extract(epoch FROM r.failing_since) * 1000)::float8 AS "failingSince",
CASE WHEN e.previous_until > clock_timestamp() THEN (extract(epoch FROM e.previous_until) * 1000)::float8 END AS "previousUntil" FROM e LEFT JOIN webhook_receivers r ON r.receiver = e.id
--;
WITH e AS (
UPDATE webhook_endpoints
SET previous_secret = secret, previous_until = clock_timestamp() + $4 * interval '1 hour', secret = $3
WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL
RETURNING *
)
SELECT e.id, e.url, e.events, e.description, (extract(epoch FROM e.created_at) * 1000)::float8 AS "createdAt",
(extract(epoch FROM e.disabled_at) * 1000)::float8 AS "disabledAt", e.disabled_reason AS "disabledReason",
(extract(epoch FROM r.failing_since) * 1000)::float8 AS "failingSince",
CASE WHEN e.previous_until > clock_timestamp() THEN (extract(epoch FROM e.previous_until) * 1000)::float8 END AS "previousUntil" FROM e LEFT JOIN webhook_receivers r ON r.receiver = e.id
--;
WITH e AS (
UPDATE webhook_endpoints
SET url = coalesce($3, url), events = coalesce($4, events), description = coalesce($5, description),
disabled_at = CASE WHEN $6::boolean THEN NULL WHEN NOT $6 THEN coalesce(disabled_at, clock_timestamp()) ELSE disabled_at END,
disabled_reason = CASE WHEN $6 THEN NULL WHEN NOT $6 THEN coalesce(disabled_reason, 'owner') ELSE disabled_reason END
WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL
RETURNING *
), forgotten AS (
DELETE FROM webhook_receivers WHERE receiver IN (SELECT id FROM e) AND ($6 OR $3 IS NOT NULL)
RETURNING receiver
)
SELECT e.id, e.url, e.events, e.description, (extract(epoch FROM e.created_at) * 1000)::float8 AS "createdAt",
(extract(epoch FROM e.disabled_at) * 1000)::float8 AS "disabledAt", e.disabled_reason AS "disabledReason",
(extract(epoch FROM r.failing_since) * 1000)::float8 AS "failingSince",
CASE WHEN e.previous_until > clock_timestamp() THEN (extract(epoch FROM e.previous_until) * 1000)::float8 END AS "previousUntil" FROM e LEFT JOIN webhook_receivers r
ON r.receiver = e.id AND NOT EXISTS (SELECT 1 FROM forgotten WHERE forgotten.receiver = r.receiver)
--;
WITH endpoints AS (
DELETE FROM webhook_endpoints WHERE deleted_at < now() - $1 * interval '1 day'
)
DELETE FROM webhook_deliveries WHERE id IN (
SELECT id FROM webhook_deliveries
WHERE created_at < now() - $1 * interval '1 day' AND ended_at IS NOT NULL
LIMIT $2 FOR UPDATE SKIP LOCKED)
--;
WITH folded AS (DELETE FROM refunds WHERE budget = 'global' RETURNING usd_micros)
UPDATE budgets
SET committed_usd_micros = committed_usd_micros - (SELECT coalesce(sum(usd_micros), 0) FROM folded)
WHERE id = 'global'
RETURNING cap_usd_micros - committed_usd_micros AS left
--;
WITH heard AS (
DELETE FROM throttles WHERE pool = $1 RETURNING dimension, granted_at, refused_at, retry_after_ms
), held AS MATERIALIZED (
SELECT target_name, count(*) AS outstanding, count(*) FILTER (WHERE submitting) AS submitting
FROM permits WHERE pool = $1 GROUP BY target_name
)
SELECT coalesce(extract(epoch FROM nullif(clock_timestamp(), '-infinity'))::double precision * 1000, 0) AS now,
(SELECT coalesce(sum(outstanding), 0)::int FROM held) AS outstanding,
(SELECT coalesce(sum(submitting), 0)::int FROM held) AS submitting,
(SELECT count(*)::int FROM permits JOIN mailbox USING (job, attempt)
WHERE permits.pool = $1 AND permits.submitting AND mailbox.kind IN ('start', 'permit')
AND permits.start_at < (SELECT clock_timestamp()) - interval '1 second') AS undelivered,
(SELECT coalesce(jsonb_agg(jsonb_build_object('dimension', dimension, 'grantedAt', coalesce(extract(epoch FROM nullif(granted_at, '-infinity'))::double precision * 1000, 0),
'retryAfterMs', retry_after_ms) ORDER BY refused_at), '[]') FROM heard) AS throttles,
-- Only a refusal asks for it.
(SELECT CASE WHEN EXISTS (SELECT 1 FROM heard) THEN
(SELECT count(*) FROM permits WHERE permits.pool = $1 AND granted_at > (SELECT clock_timestamp()) - interval '1 minute')
-- By the index of the ends of each target, in its collation, from a moment that is reckoned once.
+ (SELECT coalesce(sum(ended.count), 0) FROM targets CROSS JOIN LATERAL (
SELECT count(*) FROM attempts
WHERE attempts.pool = $1 AND attempts.target_name = targets.name COLLATE "default"
AND ended_at > (SELECT clock_timestamp() - interval '1 minute')
AND submitted_at > (SELECT clock_timestamp()) - interval '1 minute' AND state <> 'refused'
) AS ended WHERE targets.pool = $1)
ELSE 0 END)::int AS "startedLately",
(SELECT coalesce(jsonb_agg(jsonb_build_object('class', class, 'virtualTime', virtual_time, 'tag', tag)), '[]')
FROM lanes WHERE lanes.pool = $1) AS lanes,
(SELECT coalesce(jsonb_agg(jsonb_build_object(
'name', name, 'outstandingMax', outstanding_max, 'perMinuteMax', per_minute_max,
'nextStartAt', coalesce(extract(epoch FROM nullif(next_start_at, '-infinity'))::double precision * 1000, 0), 'admits', admits, 'waitReason', wait_reason,
'outstanding', coalesce((SELECT outstanding FROM held WHERE target_name = name), 0),
'probing', CASE WHEN admits IS NULL THEN 0 ELSE
(SELECT count(*) FROM permits
WHERE permits.pool = $1 AND target_name = name AND granted_at >= probing_since) END)), '[]')
FROM targets WHERE pool = $1) AS targets
--;
WITH held AS MATERIALIZED (
SELECT permits.pool, permits.target_name, count(*)::int AS count,
(count(*) FILTER (WHERE granted_at >= targets.probing_since))::int AS probing
FROM permits LEFT JOIN targets ON targets.pool = permits.pool AND targets.name = permits.target_name
GROUP BY permits.pool, permits.target_name
)
SELECT coalesce(extract(epoch FROM nullif(statement_timestamp(), '-infinity'))::double precision * 1000, 0) AS now,
(SELECT coalesce(jsonb_agg(jsonb_build_object(
'pool', targets.pool, 'name', name, 'admits', admits, 'probing', coalesce(held.probing, 0),
'outstanding', coalesce(held.count, 0), 'outstandingMax', outstanding_max,
'perMinuteMax', per_minute_max, 'nextStartAt', coalesce(extract(epoch FROM nullif(next_start_at, '-infinity'))::double precision * 1000, 0),
'isPaused', wait_reason IS NOT DISTINCT FROM 'paused', 'waiting', line.count)), '[]')
FROM targets LEFT JOIN held ON held.pool = targets.pool AND held.target_name = targets.name
CROSS JOIN LATERAL (
SELECT count(*) FROM (
SELECT 1 FROM tickets
WHERE tickets.pool = targets.pool AND tickets.target_name = targets.name AND kind <> 'overlap' AND NOT parked
LIMIT 100) AS waiting
) AS line) AS places,
(SELECT coalesce(jsonb_agg(jsonb_build_object(
'pool', id, 'outstandingMax', least(outstanding_max, working_max), 'perMinuteMax', per_minute_max,
'nextStartAt', coalesce(extract(epoch FROM nullif(next_start_at, '-infinity'))::double precision * 1000, 0),
'outstanding', coalesce((SELECT sum(held.count) FROM held WHERE held.pool = pools.id), 0))), '[]')
FROM pools) AS accounts
--;
WITH input AS (
SELECT id, tenant, key, fingerprint, request::jsonb, ($11::jsonb[])[route] AS route, input_image, input_url,
priority, queue_ttl * interval '1 second' AS queue_ttl
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::smallint[], $10::float8[])
AS input(id, tenant, key, fingerprint, request, route, input_image, input_url, priority, queue_ttl)
), admission AS MATERIALIZED (
SELECT * FROM admit_jobs($1, $2, $3, $12::bigint[])
), admitted AS MATERIALIZED (
SELECT input.* FROM input LEFT JOIN admission ON admission.id = input.id
WHERE admission.id IS NULL OR admission.verdict = 'fits'
), won AS (
INSERT INTO idempotency_keys (tenant, key, job, fingerprint)
SELECT tenant, key, id, decode(fingerprint, 'hex') FROM admitted WHERE key IS NOT NULL ORDER BY tenant, key, id
ON CONFLICT (tenant, key) DO NOTHING
RETURNING job
), accepted AS (
INSERT INTO jobs (id, tenant, model, request, input_image, input_url, route, priority, queue_deadline)
SELECT id, tenant, request ->> 'model', request, input_image, input_url, route, priority, now() + queue_ttl
FROM admitted WHERE key IS NULL OR id IN (SELECT job FROM won)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING *
), queued AS (
INSERT INTO tickets (job, attempt, tenant, caller, pool, target, target_name, priority, kind, accepted_at, spill_at,
queue_deadline, price_usd_micros, reserved_usd_micros)
SELECT id, 1, tenant, coalesce(request ->> 'user', ''), route -> 0 ->> 'pool', 0, route -> 0 ->> 'name', priority, 'first',
accepted_at,
coalesce(accepted_at + (route -> 0 ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity'),
queue_deadline, (route -> 0 ->> 'priceUsdMicros')::bigint,
CASE WHEN id IN (SELECT id FROM admission) THEN (route -> 0 ->> 'priceUsdMicros')::bigint END
FROM accepted ORDER BY id
), owned AS (
DELETE FROM uploads WHERE id = ANY (ARRAY(SELECT id FROM accepted WHERE input_image IS NOT NULL))
), told AS (
INSERT INTO job_events (job, seq, at, kind, tenant) SELECT id, 1, accepted_at, 'job.queued', tenant FROM accepted
), reserved AS MATERIALIZED (
SELECT reserve_spending(accepted.tenant, day, sum((route -> 0 ->> 'priceUsdMicros')::bigint)::bigint)
FROM accepted JOIN admission ON admission.id = accepted.id AND verdict = 'fits'
GROUP BY accepted.tenant, day ORDER BY accepted.tenant
)
SELECT id, (extract(epoch FROM accepted_at) * 1000)::float8 AS "acceptedAt", NULL::jsonb AS refusal
-- A statement that nobody reads from does not run.
FROM accepted WHERE (SELECT count(*) FROM reserved) >= 0
UNION ALL
SELECT id, NULL, jsonb_build_object(
'kind', verdict, 'period', period, 'leftUsdMicros', left_usd_micros, 'priceUsdMicros', price,
'endsOn', (starts_on + CASE period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END)::date)
FROM admission JOIN unnest($1::text[], $12::bigint[]) AS asked(id, price) USING (id)
WHERE verdict IN ('over_budget', 'price_unknown')
--;
WITH leaked AS MATERIALIZED (
SELECT permits.grant_id, a.job IS NULL AS unsubmitted
FROM permits JOIN jobs ON jobs.id = permits.job
LEFT JOIN attempts a ON a.job = permits.job AND a.attempt = permits.attempt
WHERE a.ended_at IS NOT NULL OR (a.job IS NULL AND jobs.finished_at IS NOT NULL)
-- The job before its permit, as everywhere; who has it at the moment may be releasing it.
FOR NO KEY UPDATE OF jobs SKIP LOCKED
), released AS (
DELETE FROM permits USING leaked WHERE permits.grant_id = leaked.grant_id
RETURNING permits.job, permits.price_usd_micros, permits.reserved_usd_micros, leaked.unsubmitted
)
SELECT CASE WHEN unsubmitted THEN append_refund(price_usd_micros, 0) END,
CASE WHEN unsubmitted THEN give_back(job, reserved_usd_micros) END
FROM released
--;
WITH line AS (
SELECT pool, target_name, class, tenant, caller,
coalesce(
(SELECT accepted_at FROM tickets
WHERE tickets.pool = depths.pool AND tickets.target_name = depths.target_name
AND tickets.priority = depths.class AND tickets.tenant = depths.tenant AND tickets.caller = depths.caller
AND kind <> 'overlap' AND NOT parked
ORDER BY accepted_at NULLS FIRST, id LIMIT 1), 'infinity') AS head_at
FROM depths GROUP BY pool, target_name, class, tenant, caller
)
DELETE FROM depths WHERE ctid = ANY (ARRAY(
SELECT depths.ctid FROM line JOIN depths USING (pool, target_name, class, tenant, caller)
WHERE from_at <= head_at AND (head_at = 'infinity' OR EXISTS (
SELECT 1 FROM depths later
WHERE (later.pool, later.target_name, later.class, later.tenant, later.caller)
= (depths.pool, depths.target_name, depths.class, depths.tenant, depths.caller)
AND later.from_at > depths.from_at AND later.from_at <= head_at))
LIMIT 10000 FOR UPDATE OF depths SKIP LOCKED))
--;
WITH line AS MATERIALIZED (
SELECT targets.name, targets.target, lanes.class, several.are AS are_several
FROM (SELECT name, CASE WHEN wait_reason = ANY ($2) THEN name END AS target FROM targets WHERE pool = $1) AS targets
JOIN lanes ON lanes.pool = $1
CROSS JOIN (SELECT count(*) > 1 AS are FROM targets WHERE pool = $1 AND NOT coalesce(wait_reason = ANY ($2), false)) AS several
), arrived AS (
SELECT arrivals.class, line.target, arrivals.tenant, sum(n) AS n, min(id) AS since
FROM (SELECT * FROM arrivals WHERE pool = $1 ORDER BY id LIMIT 5000) AS arrivals
LEFT JOIN line ON line.name = arrivals.target_name AND line.class = arrivals.class
WHERE NOT EXISTS (
SELECT 1 FROM flows WHERE flows.pool = $1 AND flows.class = arrivals.class AND flows.tenant = arrivals.tenant
AND flows.caller = arrivals.caller AND flows.target_name = arrivals.target_name AND flows.active)
GROUP BY arrivals.class, line.target, arrivals.tenant, caller HAVING sum(n) > 0
), waiting AS (
SELECT line.class, line.target, flows.tenant, flows.tag, flows.since, false AS is_new,
greatest(flows.waiting, 1) + coalesce(besides.waiting, 0) AS n
FROM line JOIN flows ON flows.pool = $1 AND flows.class = line.class AND flows.target_name = line.name AND flows.active
-- A flow that waits for several targets is one.
LEFT JOIN LATERAL (
SELECT sum(greatest(other.waiting, 1)) AS waiting, min(other.since) AS since
FROM flows other JOIN line shared ON shared.name = other.target_name AND shared.class = other.class AND shared.target IS NULL
WHERE line.are_several AND line.target IS NULL AND other.active AND other.pool = $1 AND other.class = flows.class
AND other.tenant = flows.tenant AND other.caller = flows.caller AND other.target_name <> flows.target_name
) AS besides ON line.are_several
WHERE besides.since IS NULL OR flows.since <= besides.since
UNION ALL
-- As they will be folded: they take the next tags of their tenants, in the order in which they came.
SELECT class, target, tenant, greatest(lanes.tag, shares.tag, 0)
+ (row_number() OVER (PARTITION BY class, tenant ORDER BY since) - 1) / coalesce(tenants.weight, 1),
since, true, n
FROM arrived
LEFT JOIN (SELECT class, tag FROM lanes WHERE pool = $1) AS lanes USING (class)
LEFT JOIN (SELECT class, tenant, tag FROM shares WHERE pool = $1) AS shares USING (class, tenant)
LEFT JOIN tenants ON tenants.id = tenant
), grouped AS (
SELECT class, target, tenant, count(*) AS flows, sum(n) AS waiting, min(waiting.tag) AS tag_min, max(waiting.tag) AS tag_max,
min(since) AS since_min, max(since) AS since_max, count(*) FILTER (WHERE is_new) AS newcomers
FROM waiting LEFT JOIN (SELECT class, tag FROM lanes WHERE pool = $1) AS lanes USING (class)
GROUP BY class, target, tenant, floor(ln(1 + greatest(waiting.tag - coalesce(lanes.tag, 0), 0)) * 6),
CASE WHEN n <= 4 THEN n ELSE 4 + floor(ln(n::float8 / 4) * 3) END
), shared AS (
SELECT class, target, tenant, coalesce(max(tenants.weight), 1) AS weight,
greatest(max(lanes.tag), max(shares.tag), 0) + sum(newcomers)::float8 / coalesce(max(tenants.weight), 1) AS clock,
sum(flows) AS flows, sum(waiting) AS waiting, min(tag_min) AS tag_min, max(tag_max) AS tag_max,
min(since_min) AS since_min, max(since_max) AS since_max,
json_agg(json_build_object('flows', flows, 'waiting', waiting, 'tagMin', tag_min, 'tagMax', tag_max, 'sinceMin', since_min, 'sinceMax', since_max) ORDER BY tag_min, tag_max) AS groups
FROM grouped
LEFT JOIN (SELECT class, tag FROM lanes WHERE pool = $1) AS lanes USING (class)
LEFT JOIN (SELECT class, tenant, tag FROM shares WHERE pool = $1) AS shares USING (class, tenant)
LEFT JOIN tenants ON tenants.id = tenant
GROUP BY class, target, tenant
)
SELECT coalesce(working_max, outstanding_max) AS "outstandingMax", per_minute_max AS "perMinuteMax",
(SELECT coalesce(jsonb_agg(jsonb_build_object('class', class, 'virtualTime', virtual_time, 'tag', tag)), '[]')
FROM lanes WHERE lanes.pool = $1) AS lanes,
(SELECT coalesce(json_agg(json_build_object('flows', flows, 'waiting', waiting, 'tagMin', tag_min, 'tagMax', tag_max, 'sinceMin', since_min, 'sinceMax', since_max,
'class', class, 'target', target, 'tenant', tenant, 'weight', weight, 'clock', clock, 'groups', groups)), '[]')
FROM shared) AS shares,
(SELECT coalesce(jsonb_agg(jsonb_build_object(
'name', name, 'waitReason', wait_reason, 'outstandingMax', outstanding_max, 'perMinuteMax', per_minute_max,
'durations', durations, 'zombies', held.zombies, 'underWay', held.ages, 'drained', samples.drained)), '[]')
FROM targets
CROSS JOIN LATERAL (
SELECT coalesce(sum(count) FILTER (WHERE is_zombie), 0) AS zombies,
coalesce(jsonb_agg(jsonb_build_array(age_ms, count)) FILTER (WHERE NOT is_zombie), '[]') AS ages
FROM (
SELECT zombie_since IS NOT NULL AS is_zombie, avg(ms) AS age_ms, count(*) AS count FROM (
SELECT zombie_since, greatest(extract(epoch FROM clock_timestamp() - start_at)::float8 * 1000, 0) AS ms
FROM permits WHERE permits.pool = $1 AND permits.target_name = targets.name
) AS permit
GROUP BY 1, round(ln(greatest(ms, 50)) * 20)
) AS aged
) AS held
CROSS JOIN LATERAL (
SELECT coalesce(jsonb_agg(jsonb_build_array(extract(epoch FROM at) * 1000, granted_total) ORDER BY at), '[]') AS drained
FROM drains WHERE drains.pool = $1 AND drains.target_name = targets.name
) AS samples
WHERE targets.pool = $1) AS targets
FROM (VALUES ($1)) AS asked (id) LEFT JOIN pools USING (id)
--;
WITH links AS (
UPDATE attempts SET video_url = NULL WHERE job = $1 AND video_url IS NOT NULL
), digests AS (
UPDATE idempotency_keys SET fingerprint = ''
WHERE job = $1 AND created_at = (SELECT accepted_at FROM jobs WHERE id = $1) AND fingerprint <> ''
), answers AS (
UPDATE webhook_tries SET excerpt = ''
FROM webhook_deliveries WHERE webhook_deliveries.job = $1 AND webhook_tries.delivery = webhook_deliveries.id
AND excerpt <> ''
)
UPDATE assets SET expires_at = clock_timestamp()
WHERE job = $1 AND stored_at IS NOT NULL AND removed_at IS NULL AND expires_at > clock_timestamp()
--;
WITH locked AS MATERIALIZED (
SELECT chosen.*, tickets.target_name AS from_name, jobs.route -> chosen.target AS goal,
coalesce(tickets.reserved_usd_micros, 0) AS reserved_before
FROM unnest($2::bigint[], $3::int[], $4::text[]) AS chosen(id, target, reason)
JOIN tickets ON tickets.id = chosen.id JOIN jobs ON jobs.id = tickets.job
WHERE tickets.pool = $1 AND NOT tickets.parked AND jobs.finished_at IS NULL AND jobs.cancel_requested_at IS NULL
FOR NO KEY UPDATE OF jobs SKIP LOCKED
), moved AS (
UPDATE tickets
SET pool = goal ->> 'pool', target = locked.target, target_name = goal ->> 'name',
price_usd_micros = (goal ->> 'priceUsdMicros')::bigint, over_budget = false,
reserved_usd_micros = CASE WHEN tickets.tenant = ANY ($5::text[])
THEN greatest(tickets.reserved_usd_micros, (goal ->> 'priceUsdMicros')::bigint)
ELSE tickets.reserved_usd_micros END,
spill_at = coalesce(
statement_timestamp() + (goal ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity')
FROM locked WHERE tickets.id = locked.id
RETURNING tickets.job, tickets.attempt, from_name, tickets.target_name, locked.reason, tickets.tenant,
budget_day(tickets.accepted_at) AS day, tickets.reserved_usd_micros - reserved_before AS usd_micros
), raised AS (
SELECT tenant, day, sum(usd_micros) AS usd_micros FROM moved WHERE tenant = ANY ($5::text[])
GROUP BY 1, 2
-- Other days of the same tenant are not held.
HAVING sum(usd_micros) > 0
), charged_budgets AS (
UPDATE spending SET committed_usd_micros = committed_usd_micros + sums.usd_micros
FROM (
SELECT tenant, its.period, its.starts_on, sum(usd_micros) AS usd_micros
FROM raised CROSS JOIN LATERAL (VALUES
('day', day), ('month', date_trunc('month', day::timestamp)::date)) AS its(period, starts_on)
GROUP BY 1, 2, 3
) AS sums
WHERE spending.tenant = sums.tenant AND spending.period = sums.period AND spending.starts_on = sums.starts_on
)
SELECT from_name AS "from", target_name AS "to", reason
FROM moved, append_event(job, 'attempt.moved', jsonb_build_object(
'attempt', attempt, 'from', from_name, 'to', target_name, 'reason', reason))
--;
WITH locked AS MATERIALIZED (
SELECT tickets.id AS ticket, jobs.id AS job, jobs.route
FROM unnest($1::bigint[]) AS over(id) JOIN tickets ON tickets.id = over.id JOIN jobs ON jobs.id = tickets.job
WHERE tickets.kind <> 'overlap' AND tickets.reserved_usd_micros > 0
AND jobs.finished_at IS NULL AND jobs.cancel_requested_at IS NULL
FOR NO KEY UPDATE OF jobs SKIP LOCKED
), chosen AS MATERIALIZED (
SELECT locked.ticket, tickets.target_name AS from_name, goal.entry, goal.index
FROM locked JOIN tickets ON tickets.id = locked.ticket
CROSS JOIN LATERAL (
SELECT entry, n - 1 AS index
FROM jsonb_array_elements(locked.route) WITH ORDINALITY AS target(entry, n)
WHERE n - 1 <> tickets.target AND (entry ->> 'priceUsdMicros')::bigint <= tickets.reserved_usd_micros
AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = locked.job AND a.target = n - 1)
AND NOT EXISTS (SELECT 1 FROM permits p WHERE p.job = locked.job AND p.target = n - 1)
ORDER BY n LIMIT 1
) AS goal
), moved AS (
UPDATE tickets
SET pool = entry ->> 'pool', target = chosen.index, target_name = entry ->> 'name',
price_usd_micros = (entry ->> 'priceUsdMicros')::bigint, over_budget = false,
spill_at = coalesce(statement_timestamp() + (entry ->> 'spillAfterMs')::float8 * interval '1 millisecond', 'infinity')
FROM chosen WHERE tickets.id = chosen.ticket
RETURNING tickets.id, tickets.job, tickets.attempt, from_name, tickets.target_name
)
SELECT moved.id::text FROM moved, append_event(job, 'attempt.moved', jsonb_build_object(
'attempt', attempt, 'from', from_name, 'to', target_name, 'reason', 'budget'))
--;
WITH needy AS MATERIALIZED (
SELECT id, tenant, budget_day(accepted_at) AS day FROM tickets WHERE id = ANY ($1::bigint[])
)
SELECT tenant, concat_ws(' ', tenant, period, starts_on) AS id, left_usd_micros::float8 AS left
FROM hold_budgets(ARRAY(SELECT tenant FROM needy ORDER BY id), ARRAY(SELECT day FROM needy ORDER BY id))
--;
WITH needy AS MATERIALIZED (
SELECT tickets.id, tickets.tenant, budget_day(tickets.accepted_at) AS day,
price_usd_micros - coalesce(reserved_usd_micros, 0) AS missing
FROM unnest($1::bigint[]) AS head(id)
JOIN tickets ON tickets.id = head.id
JOIN tenants ON tenants.id = tickets.tenant
WHERE (tenants.day_budget_usd_micros IS NOT NULL OR tenants.month_budget_usd_micros IS NOT NULL)
AND (price_usd_micros IS NULL OR price_usd_micros > coalesce(reserved_usd_micros, 0))
), held AS MATERIALIZED (
SELECT * FROM hold_budgets(ARRAY(SELECT tenant FROM needy ORDER BY id), ARRAY(SELECT day FROM needy ORDER BY id))
)
SELECT
(SELECT coalesce(json_agg(json_build_object('id', id::text, 'usdMicros', missing, 'budgets', json_build_array(
concat_ws(' ', tenant, 'day', day),
concat_ws(' ', tenant, 'month', date_trunc('month', day::timestamp)::date)))), '[]') FROM needy) AS needs,
(SELECT coalesce(json_agg(json_build_object(
'id', concat_ws(' ', tenant, period, starts_on), 'leftUsdMicros', left_usd_micros)), '[]')
FROM held WHERE left_usd_micros IS NOT NULL) AS budgets,
(SELECT coalesce(json_agg(DISTINCT tenant), '[]') FROM held) AS tenants
--;
WITH oldest AS (
SELECT job FROM tickets
WHERE kind = 'first' AND accepted_at < (SELECT clock_timestamp()) - $1 * interval '1 millisecond'
ORDER BY accepted_at
LIMIT $2
), stuck AS (
SELECT jobs.id FROM oldest JOIN jobs ON jobs.id = oldest.job
WHERE jobs.dispatched_at IS NULL
FOR NO KEY UPDATE OF jobs SKIP LOCKED
), dispatched AS (
UPDATE jobs SET dispatched_at = clock_timestamp() FROM stuck WHERE jobs.id = stuck.id RETURNING jobs.id
)
INSERT INTO mailbox (job, kind) SELECT id, 'start' FROM dispatched
ON CONFLICT (job, kind, attempt) DO NOTHING
--;
WITH original AS (
SELECT told.* FROM webhook_deliveries told JOIN jobs ON jobs.id = told.job
WHERE told.id = $1 AND told.tenant = $2 AND jobs.request IS NOT NULL
), d AS (
INSERT INTO webhook_deliveries (id, event_id, tenant, endpoint, receiver, job, kind, event_at, redelivery_of)
SELECT $3, event_id, tenant, endpoint, receiver, job, kind, event_at, id FROM original
ON CONFLICT (event_id, receiver) WHERE redelivery_of IS NOT NULL AND state IN ('pending', 'retrying') DO NOTHING
RETURNING *
)
SELECT d.id, d.event_id AS "eventId", d.endpoint, d.job, d.kind, d.state, d.reason, d.tries,
(extract(epoch FROM d.created_at) * 1000)::float8 AS "createdAt", (extract(epoch FROM d.ended_at) * 1000)::float8 AS "endedAt",
CASE WHEN d.ended_at IS NULL THEN (extract(epoch FROM d.next_try_at) * 1000)::float8 END AS "nextTryAt",
d.redelivery_of AS "redeliveryOf" FROM original LEFT JOIN d ON true
--;
WITH over AS MATERIALIZED (
SELECT pool, target_name, priority, tenant, caller, budget_day(accepted_at) AS day,
min(price_usd_micros - coalesce(reserved_usd_micros, 0)) AS missing
FROM tickets WHERE id = ANY ($1::bigint[]) AND kind <> 'overlap'
GROUP BY 1, 2, 3, 4, 5, 6
), alike AS MATERIALIZED (
SELECT oldest.id FROM over CROSS JOIN LATERAL (
SELECT id, accepted_at, price_usd_micros AS missing, reserved_usd_micros FROM tickets
WHERE pool = over.pool AND target_name = over.target_name AND priority = over.priority AND tenant = over.tenant
AND caller = over.caller AND kind <> 'overlap' AND NOT parked
ORDER BY accepted_at NULLS FIRST, id LIMIT 1000
) AS oldest
-- Whoever has something reserved may have somewhere to go: they are asked one by one.
WHERE coalesce(oldest.reserved_usd_micros, 0) = 0 AND oldest.missing >= over.missing
AND budget_day(oldest.accepted_at) = over.day
)
UPDATE tickets
SET parked = true, over_budget = true, not_before = clock_timestamp() + 10000 * interval '1 millisecond'
WHERE id = ANY (ARRAY(SELECT id FROM tickets
WHERE id = ANY ($1::bigint[] || ARRAY(SELECT id FROM alike)) FOR NO KEY UPDATE SKIP LOCKED))
--;
WITH overdue AS ((SELECT tickets.job FROM tickets JOIN jobs ON jobs.id = tickets.job
WHERE tickets.queue_deadline <= (SELECT clock_timestamp()) AND jobs.phase = 'queued' AND tickets.job <> ALL($2)
ORDER BY tickets.queue_deadline
LIMIT $1)
UNION ALL
(SELECT permits.job FROM permits JOIN jobs ON jobs.id = permits.job
WHERE permits.submitting AND jobs.queue_deadline <= (SELECT clock_timestamp()) AND jobs.phase = 'queued'
AND permits.job <> ALL($2)
LIMIT $1)
LIMIT $1), ended AS (
SELECT overdue.job FROM overdue, settle_job(overdue.job, 'failed', NULL, $3) AS verdict
WHERE verdict.was_settled_now
), told AS (
INSERT INTO mailbox (job, kind)
SELECT ended.job, 'cancel' FROM ended JOIN jobs ON jobs.id = ended.job WHERE jobs.dispatched_at IS NOT NULL
ON CONFLICT (job, kind, attempt) DO NOTHING
)
SELECT job FROM ended
--;
WITH overrun AS (SELECT id AS job FROM jobs
WHERE finished_at IS NULL AND run_deadline < (SELECT clock_timestamp()) - $3 * interval '1 millisecond'
AND id <> ALL($2)
AND (run_deadline < (SELECT clock_timestamp()) - ($3 + 3600000) * interval '1 millisecond' OR NOT EXISTS (
SELECT 1 FROM attempts a LEFT JOIN assets s ON s.job = a.job AND s.attempt = a.attempt
WHERE a.job = jobs.id AND a.outcome = 'finished' AND s.failure IS NULL))
ORDER BY run_deadline
LIMIT $1), ended AS (
SELECT overrun.job FROM overrun, settle_job(overrun.job, 'failed', NULL, $4) AS verdict
WHERE verdict.was_settled_now
), told AS (
INSERT INTO mailbox (job, kind) SELECT job, 'cancel' FROM ended ON CONFLICT (job, kind, attempt) DO NOTHING
)
SELECT job FROM ended
--;
WITH silent AS (
SELECT jobs.id FROM jobs
WHERE jobs.finished_at IS NULL
AND jobs.dispatched_at < clock_timestamp() - $1 * interval '1 millisecond'
AND NOT EXISTS (SELECT 1 FROM mailbox WHERE mailbox.job = jobs.id AND mailbox.kind = 'start')
AND NOT EXISTS (SELECT 1 FROM job_events WHERE job_events.job = jobs.id
AND job_events.seq = jobs.event_seq AND job_events.at > clock_timestamp() - $1 * interval '1 millisecond')
AND (jobs.checked_at IS NULL OR jobs.checked_at < clock_timestamp() - $1 * interval '1 millisecond')
ORDER BY jobs.checked_at NULLS FIRST, jobs.accepted_at
LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE jobs SET checked_at = clock_timestamp() FROM silent WHERE jobs.id = silent.id RETURNING jobs.id
--;
WITH source AS (
SELECT * FROM unnest($2::text[], $3::boolean[]) AS source(name, is_open)
), next AS MATERIALIZED (
SELECT source.is_open, flows.class, flows.tenant, flows.caller, flows.target_name,
ceil($4 * weight / sum(weight) OVER (PARTITION BY source.name, lanes.class))::int + 2 AS heads_max
FROM source JOIN lanes ON lanes.pool = $1
CROSS JOIN LATERAL (
SELECT * FROM flows
WHERE flows.pool = $1 AND flows.class = lanes.class AND flows.target_name = source.name AND flows.active
ORDER BY tag, since LIMIT $4
) AS flows
), in_turn AS MATERIALIZED (
SELECT next.*, line.count, line.ids[1:heads_max] AS ids
FROM next CROSS JOIN LATERAL (
SELECT count(*) AS count,
array_agg(id ORDER BY accepted_at, id) FILTER (WHERE next.is_open OR spill_at <= statement_timestamp()) AS ids
FROM (
SELECT id, accepted_at, spill_at FROM tickets
WHERE pool = $1 AND target_name = next.target_name AND priority = next.class AND tenant = next.tenant
AND caller = next.caller AND kind <> 'overlap' AND NOT parked
-- As the index has it, so that none by age alone can take its place.
ORDER BY accepted_at NULLS FIRST, id LIMIT 200
) AS oldest
) AS line
), rested AS (
UPDATE flows SET active = false FROM in_turn
WHERE in_turn.count = 0 AND flows.pool = $1 AND flows.class = in_turn.class AND flows.tenant = in_turn.tenant
AND flows.caller = in_turn.caller AND flows.target_name = in_turn.target_name
), leaving AS (
SELECT unnest(ids) AS id FROM in_turn
UNION
SELECT oldest.id FROM source CROSS JOIN LATERAL (
SELECT id FROM tickets
WHERE pool = $1 AND target_name = source.name AND spill_at < 'infinity' AND NOT parked
AND spill_at <= CASE WHEN source.is_open THEN 'infinity' ELSE statement_timestamp() END
AND kind <> 'overlap'
ORDER BY spill_at LIMIT $4
) AS oldest
UNION
SELECT oldest.id FROM source CROSS JOIN LATERAL (
SELECT id FROM tickets
WHERE pool = $1 AND target_name = source.name AND kind = 'overlap' AND NOT parked
ORDER BY accepted_at NULLS FIRST, id LIMIT $4
) AS oldest WHERE source.is_open
)
SELECT
(SELECT coalesce(jsonb_agg(jsonb_build_object('class', class, 'virtualTime', virtual_time, 'tag', tag)), '[]')
FROM lanes WHERE lanes.pool = $1) AS lanes,
(SELECT coalesce(jsonb_agg(jsonb_build_object(
'id', tickets.id::text, 'class', tickets.priority, 'tenant', tickets.tenant, 'caller', tickets.caller,
'target', tickets.target_name, 'isOverlap', tickets.kind = 'overlap', 'options', elsewhere.options,
'weight', coalesce(flows.weight, 1), 'tag', coalesce(flows.tag, 0),
'tenantTag', coalesce((SELECT tag FROM shares WHERE shares.pool = $1 AND shares.class = tickets.priority
AND shares.tenant = tickets.tenant), flows.tag, 0))
ORDER BY flows.since, tickets.accepted_at, tickets.id), '[]')
FROM tickets
-- One by one, also where the planner believes that the tables are still small.
CROSS JOIN LATERAL (
SELECT id, route, request FROM jobs WHERE id = tickets.job AND finished_at IS NULL AND cancel_requested_at IS NULL LIMIT 1
) AS jobs
LEFT JOIN LATERAL (
SELECT * FROM flows
WHERE flows.pool = $1 AND flows.class = tickets.priority AND flows.tenant = tickets.tenant
AND flows.caller = tickets.caller AND flows.target_name = tickets.target_name LIMIT 1
) AS flows ON true
CROSS JOIN LATERAL (
SELECT budget_day(tickets.accepted_at) AS day, EXISTS (
SELECT 1 FROM tenants
WHERE tenants.id = tickets.tenant AND (day_budget_usd_micros IS NOT NULL OR month_budget_usd_micros IS NOT NULL)
) AS has_budget
) AS money
CROSS JOIN LATERAL (
SELECT coalesce(jsonb_agg(
jsonb_build_object('index', n - 1, 'pool', entry ->> 'pool', 'name', entry ->> 'name')
-- What it asks beyond what is reserved has to fit.
|| CASE WHEN has_budget AND (entry ->> 'priceUsdMicros')::bigint > coalesce(reserved_usd_micros, 0)
THEN jsonb_build_object('need', jsonb_build_object(
'usdMicros', (entry ->> 'priceUsdMicros')::bigint - coalesce(reserved_usd_micros, 0),
'budgets', jsonb_build_array(concat_ws(' ', tickets.tenant, 'day', day), concat_ws(' ', tickets.tenant, 'month',
date_trunc('month', day::timestamp)::date))))
ELSE '{}' END
ORDER BY n), '[]') AS options
FROM jsonb_array_elements(jobs.route) WITH ORDINALITY AS target(entry, n)
WHERE n - 1 <> tickets.target
-- Under a cap nothing is bought whose price is unknown.
AND (entry ->> 'priceUsdMicros' IS NOT NULL
OR NOT EXISTS (SELECT 1 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL))
-- Nor under a tenant's budget, nor what the job may not cost.
AND (entry ->> 'priceUsdMicros' IS NOT NULL OR NOT has_budget)
AND ((jobs.request ? 'max_cost_usd') IS NOT TRUE OR (entry ->> 'priceUsdMicros')::bigint <= cost_room(jobs.id))
AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = jobs.id AND a.target = n - 1)
AND NOT EXISTS (SELECT 1 FROM permits p WHERE p.job = jobs.id AND p.target = n - 1)
) AS elsewhere
WHERE tickets.id = ANY (ARRAY(SELECT id FROM leaving))) AS leavers
--;
WITH stale AS MATERIALIZED (
SELECT * FROM (
SELECT shares.pool, shares.class, shares.tenant, lanes.tag AS lane_tag, theirs.turn, theirs.users
FROM shares JOIN lanes USING (pool, class)
CROSS JOIN LATERAL (
SELECT count(DISTINCT caller) AS users, coalesce(1 / min(weight), 1) AS turn FROM flows
WHERE flows.pool = shares.pool AND flows.class = shares.class AND flows.tenant = shares.tenant AND active
) AS theirs
WHERE theirs.users <= 20000 AND shares.tag > lanes.tag + (theirs.users * 1.5 + 2) * theirs.turn) AS found WHERE pool = $1
), moved AS (
UPDATE flows SET tag = placed.tag
FROM (SELECT flows.ctid AS place, lane_tag + (dense_rank() OVER (PARTITION BY class, tenant ORDER BY flows.tag, caller) - 1) * turn AS tag
FROM stale JOIN flows USING (pool, class, tenant) WHERE active) AS placed
WHERE flows.ctid = placed.place
)
UPDATE shares SET tag = lane_tag + greatest(users, 1) * turn
FROM stale WHERE shares.pool = stale.pool AND shares.class = stale.class AND shares.tenant = stale.tenant
--;
WITH stranded AS (
UPDATE tickets SET spill_at = 'infinity'
WHERE id = ANY (ARRAY(SELECT id FROM tickets WHERE id = ANY ($2::bigint[]) AND pool = $1 AND spill_at < 'infinity'
FOR NO KEY UPDATE SKIP LOCKED))
), postponed AS (
UPDATE tickets SET spill_at = greatest(
spill_at, statement_timestamp() + 10000 * interval '1 millisecond')
WHERE id = ANY (ARRAY(SELECT id FROM tickets WHERE id = ANY ($6::bigint[]) AND pool = $1 AND spill_at < 'infinity'
FOR NO KEY UPDATE SKIP LOCKED))
), served_lanes AS (
UPDATE lanes SET virtual_time = lane."virtualTime", tag = lane.tag
FROM jsonb_to_recordset($3::jsonb) AS lane(class smallint, "virtualTime" float8, tag float8)
WHERE lanes.pool = $1 AND lanes.class = lane.class
), charged AS (
UPDATE shares SET tag = share.tag
FROM jsonb_to_recordset($5::jsonb) AS share(class smallint, tenant text, tag float8)
WHERE shares.pool = $1 AND shares.class = share.class AND shares.tenant = share.tenant
)
UPDATE flows SET tag = flow.tag
FROM jsonb_to_recordset($4::jsonb) AS flow(class smallint, tenant text, caller text, tag float8)
WHERE flows.pool = $1 AND flows.class = flow.class AND flows.tenant = flow.tenant AND flows.caller = flow.caller
--;
WITH taken AS (
DELETE FROM arrivals
WHERE pool = $1 AND id = ANY (ARRAY(SELECT id FROM arrivals WHERE pool = $1 ORDER BY id LIMIT 5000))
RETURNING target_name, class, tenant, caller, id, accepted_at, n
), changes AS MATERIALIZED (
SELECT sums.*, n + coalesce(own.waiting, 0) AS waiting, own.tag, coalesce(tenants.weight, 1) AS weight,
min(since) OVER (PARTITION BY class, tenant, caller) AS flow_since,
NOT has_left OR EXISTS (
SELECT 1 FROM tickets
WHERE tickets.pool = $1 AND tickets.target_name = sums.target_name AND tickets.priority = sums.class
AND tickets.tenant = sums.tenant AND tickets.caller = sums.caller
AND kind <> 'overlap' AND NOT parked) AS is_active
FROM (
SELECT target_name, class, tenant, caller, sum(n)::int AS n, min(id) AS since, bool_or(n < 0) AS has_left,
array_agg(accepted_at) AS moments, array_agg(n) AS counts
FROM taken GROUP BY target_name, class, tenant, caller
) AS sums
CROSS JOIN LATERAL (
SELECT max(tag) FILTER (WHERE active) AS tag, max(waiting) FILTER (WHERE flows.target_name = sums.target_name) AS waiting
FROM flows
WHERE flows.pool = $1 AND flows.class = sums.class AND flows.tenant = sums.tenant AND flows.caller = sums.caller
) AS own
LEFT JOIN tenants ON tenants.id = sums.tenant
), tagged AS MATERIALIZED (
-- Who comes takes the tenant's next tags, in the order of arrival; who waits at another target has one already.
SELECT changes.*, coalesce(changes.tag, greatest(lanes.tag, shares.tag, 0)
+ (dense_rank() OVER (PARTITION BY changes.class, changes.tenant, changes.tag IS NULL AND is_active ORDER BY flow_since) - 1)
/ changes.weight) AS start_tag
FROM changes
LEFT JOIN lanes ON lanes.pool = $1 AND lanes.class = changes.class
LEFT JOIN shares ON shares.pool = $1 AND shares.class = changes.class AND shares.tenant = changes.tenant
), shared AS (
INSERT INTO shares (pool, class, tenant, tag)
SELECT $1, class, tenant, max(start_tag + 1 / weight) FROM tagged WHERE tag IS NULL AND is_active
GROUP BY class, tenant
ON CONFLICT (pool, class, tenant) DO UPDATE SET tag = excluded.tag
), known AS (
INSERT INTO targets (pool, name) SELECT DISTINCT $1, target_name FROM changes ON CONFLICT DO NOTHING
), opened AS (
INSERT INTO lanes (pool, class, virtual_time)
SELECT DISTINCT $1, class, coalesce((SELECT min(virtual_time) FROM lanes WHERE pool = $1), 0) FROM changes
ON CONFLICT DO NOTHING
), folded AS (
INSERT INTO flows (pool, class, tenant, caller, target_name, weight, tag, since, waiting, active)
SELECT $1, class, tenant, caller, target_name, weight, start_tag, since, waiting, is_active FROM tagged
ON CONFLICT (pool, class, tenant, caller, target_name) DO UPDATE
SET waiting = excluded.waiting,
weight = excluded.weight,
tag = CASE WHEN flows.active THEN flows.tag ELSE excluded.tag END,
since = CASE WHEN flows.active THEN flows.since ELSE excluded.since END,
active = excluded.active
),
shifts AS (
-- Mostly of nobody. Each flow brings its own arrivals along: to join all with all is what a flood would not bear.
SELECT target_name, class, tenant, caller, date_bin('250 milliseconds', moment, 'epoch') AS first_at, sum(count)::int AS n,
greatest(waiting * 0.00390625::float8, 32) AS bucket_max
FROM changes CROSS JOIN LATERAL unnest(moments, counts) AS one(moment, count)
WHERE waiting > 200
GROUP BY target_name, class, tenant, caller, waiting, first_at
HAVING sum(count) <> 0
), placed AS (
SELECT shifts.*, newest.from_at AS newest_at,
CASE WHEN newest.from_at > first_at THEN earlier.from_at ELSE newest.from_at END AS from_at,
CASE WHEN newest.from_at > first_at THEN earlier.n ELSE newest.n END AS held
FROM shifts
LEFT JOIN LATERAL (
SELECT from_at, n FROM depths
WHERE depths.pool = $1 AND (depths.target_name, depths.class, depths.tenant, depths.caller)
= (shifts.target_name, shifts.class, shifts.tenant, shifts.caller)
ORDER BY from_at DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
SELECT from_at, n FROM depths
WHERE newest.from_at > first_at AND depths.pool = $1
AND (depths.target_name, depths.class, depths.tenant, depths.caller)
= (shifts.target_name, shifts.class, shifts.tenant, shifts.caller) AND from_at <= first_at
ORDER BY from_at DESC LIMIT 1
) AS earlier ON true
), cut AS (
SELECT *, floor((coalesce(held, 0) + sum(n) OVER (PARTITION BY target_name, class, tenant, caller ORDER BY first_at) - 1)
/ bucket_max) AS part
FROM placed WHERE n > 0 AND from_at IS NOT DISTINCT FROM newest_at
), deepened AS (
INSERT INTO depths (pool, target_name, class, tenant, caller, from_at, n)
SELECT $1, target_name, class, tenant, caller, at, sum(n) FROM (
SELECT target_name, class, tenant, caller, n, from_at AS at
FROM placed WHERE from_at IS NOT NULL AND (n < 0 OR from_at < newest_at)
UNION ALL
SELECT target_name, class, tenant, caller, sum(n),
CASE WHEN part = 0 THEN coalesce(min(from_at), min(first_at)) ELSE min(first_at) END
FROM cut GROUP BY target_name, class, tenant, caller, part
) AS changed
GROUP BY target_name, class, tenant, caller, at
ON CONFLICT (pool, target_name, class, tenant, caller, from_at) DO UPDATE SET n = depths.n + excluded.n
)
SELECT 1
--;
WITH taken AS (
DELETE FROM end_tally WHERE id IN (SELECT id FROM end_tally ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)
RETURNING target_name, outcome, evidence
)
SELECT target_name AS target, outcome, evidence, count(*)::int AS count FROM taken GROUP BY 1, 2, 3
--;
WITH taken AS (DELETE FROM unknown_tally RETURNING target_name, resolved_by)
SELECT target_name AS target, resolved_by AS by, count(*)::int AS count FROM taken GROUP BY 1, 2
--;
WITH target AS (
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) AS target(pool, name, outstanding_max, per_minute_max)
), added AS (
INSERT INTO targets (pool, name, outstanding_max, per_minute_max) SELECT * FROM target ORDER BY pool, name
ON CONFLICT DO NOTHING
)
UPDATE targets SET outstanding_max = target.outstanding_max, per_minute_max = target.per_minute_max
FROM target
WHERE targets.pool = target.pool AND targets.name = target.name
AND (targets.outstanding_max, targets.per_minute_max) IS DISTINCT FROM (target.outstanding_max, target.per_minute_max)
--;
WITH target AS (
SELECT pool, name,
to_timestamp(now_ms / 1000) AS seen_at,
to_timestamp((now_ms - 10000) / 1000) AS recent_from,
to_timestamp(submit_after / 1000) AS submit_after, to_timestamp(submit_from / 1000) AS submit_from,
to_timestamp(outcome_after / 1000) AS outcome_after, to_timestamp(outcome_from / 1000) AS outcome_from,
is_probing, to_timestamp((now_ms - due_ms) / 1000) AS due_before, to_timestamp((now_ms - overdue_ms) / 1000) AS overdue_before
FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::float8[], $14::boolean[])
AS asked(pool, name, now_ms, submit_after, submit_from, outcome_after, outcome_from, due_ms, overdue_ms, is_probing)
)
SELECT target.pool, target.name, answer.*, ending.*, held.*
FROM target
CROSS JOIN LATERAL (
SELECT (count(*) FILTER (WHERE is_good))::int AS "submitGood",
(count(*) FILTER (WHERE is_bad))::int AS "submitBad",
(count(*) FILTER (WHERE is_good AND is_recent))::int AS "submitGoodRecent",
(count(*) FILTER (WHERE is_bad AND is_recent))::int AS "submitBadRecent",
(extract(epoch FROM max(answered_at) FILTER (WHERE is_bad AND code = ANY($12))) * 1000)::float8 AS "accountRefusedAt",
(extract(epoch FROM max(answered_at) FILTER (WHERE is_good)) * 1000)::float8 AS "acceptedAt",
(count(*) FILTER (WHERE is_good AND is_recent AND (outcome IS NULL OR outcome = 'finished')))::int AS "youngGood",
(count(*) FILTER (WHERE is_good AND is_recent AND submitted_at >= target.outcome_from
AND outcome = 'failed' AND code = ANY($13)))::int AS "youngBad"
FROM (
SELECT newest.*, (answered_at >= target.recent_from OR row_number() OVER (PARTITION BY is_good OR is_bad ORDER BY answered_at DESC)
<= 10) AS is_recent
FROM (
SELECT answered_at, submitted_at, outcome, state = 'accepted' AS is_good, failure ->> 'code' AS code,
state IN ('refused', 'unknown') AND submitted_at >= target.submit_from
AND coalesce(failure ->> 'code' = ANY($10)
OR (failure ->> 'code' = 'invalid_input' AND failure ->> 'vendorCode' = ANY($11)), false) AS is_bad
FROM attempts
WHERE attempts.pool = target.pool AND attempts.target_name = target.name AND answered_at >= target.submit_after
ORDER BY answered_at DESC
LIMIT 500
) AS newest
) AS answered
) AS answer
CROSS JOIN LATERAL (
SELECT (count(*) FILTER (WHERE is_good))::int AS "outcomeGood",
(count(*) FILTER (WHERE is_bad))::int AS "outcomeBad",
(count(*) FILTER (WHERE is_good AND is_recent))::int AS "outcomeGoodRecent",
(count(*) FILTER (WHERE is_bad AND is_recent))::int AS "outcomeBadRecent",
(count(*) FILTER (WHERE ended_at >= target.recent_from))::int AS ended
FROM (
SELECT newest.*, (ended_at >= target.recent_from OR row_number() OVER (PARTITION BY is_good OR is_bad ORDER BY ended_at DESC)
<= 10) AS is_recent
FROM (
SELECT ended_at, outcome = 'finished' AS is_good,
submitted_at >= target.outcome_from
AND coalesce((outcome = 'failed' AND failure ->> 'code' = ANY($13))
OR (outcome = 'lost' AND evidence <> 'stop'), false) AS is_bad
FROM attempts
WHERE attempts.pool = target.pool AND attempts.target_name = target.name AND ended_at >= target.outcome_after
AND evidence <> 'refusal'
ORDER BY ended_at DESC
LIMIT 500
) AS newest
) AS ended
) AS ending
CROSS JOIN LATERAL (
SELECT (count(*) FILTER (WHERE state = 'submitting' AND submitted_at >= target.submit_from
AND submitted_at BETWEEN target.seen_at - interval '45000 milliseconds'
AND target.seen_at - interval '10000 milliseconds'))::int AS unanswered,
(count(*) FILTER (WHERE is_under_way AND state = 'accepted' AND submitted_at < target.due_before))::int AS due,
(count(*) FILTER (WHERE is_under_way AND submitted_at < target.overdue_before))::int AS overdue
FROM (
SELECT attempts.state, attempts.submitted_at,
-- What may be under way and says nothing is as late as what is.
attempts.state IN ('accepted', 'unknown') AND attempts.submitted_at >= target.outcome_from AS is_under_way
FROM permits JOIN attempts ON attempts.job = permits.job AND attempts.attempt = permits.attempt
WHERE permits.pool = target.pool AND permits.target_name = target.name
AND (permits.zombie_since IS NULL OR target.is_probing) AND attempts.ended_at IS NULL
AND permits.start_at < greatest(target.due_before, target.overdue_before,
target.seen_at - interval '10000 milliseconds')
LIMIT 1000
) AS late
) AS held
--;
WITH videos AS (
UPDATE assets SET removed_at = clock_timestamp() WHERE job = $1 AND stored_at IS NOT NULL AND removed_at IS NULL
)
UPDATE erasures SET removed_at = coalesce(removed_at, clock_timestamp()) WHERE job = $1
