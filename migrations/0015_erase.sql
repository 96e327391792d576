-- Up Migration

-- Deleting, and requests that were sent twice without a key.

-- From then on nobody is told of the job any more, neither callers nor subscribers, whether or not everything of it is gone
-- already. Its row stays, without what was personal: costs, times and the key that it was accepted under have to add up.
ALTER TABLE jobs ADD COLUMN erase_requested_at timestamptz;

-- What became of a vendor's own record of an attempt whose job was deleted. Null: it has not been asked yet.
ALTER TABLE attempts
  ADD COLUMN erasure text CONSTRAINT erasure_is_known CHECK (erasure IN ('erased', 'not_supported', 'failed'));

-- The receipt of a deletion, and what is left of it to do. What lies in this database goes with the request; objects and
-- vendors' records go when the job has ended, by whoever leases the row.
CREATE TABLE erasures (
  job           job_id PRIMARY KEY REFERENCES jobs,
  tenant        text COLLATE "C" NOT NULL,
  had_input     boolean NOT NULL,
  requested_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Pictures and videos are gone.
  removed_at    timestamptz,
  -- Vendors have forgotten it too, or said that they can't: nothing is left.
  erased_at     timestamptz,
  -- Looked at for the last time: whatever a process that was killed has left meanwhile is gone as well.
  closed_at     timestamptz,
  due_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- That failed.
  tries         integer NOT NULL DEFAULT 0
);
CREATE INDEX erasures_due ON erasures (due_at) WHERE closed_at IS NULL;

-- Forgets a job: everything personal at once, the rest by its row in `erasures`. One that has not ended is cancelled. False:
-- there is no such job, or no longer.
CREATE FUNCTION erase_job(p_job job_id, p_tenant text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  job jobs%ROWTYPE;
BEGIN
  SELECT * INTO job FROM jobs WHERE id = p_job AND tenant = p_tenant FOR NO KEY UPDATE;
  IF NOT FOUND OR job.erase_requested_at IS NOT NULL THEN
    RETURN false;
  END IF;
  INSERT INTO erasures (job, tenant, had_input)
  VALUES (p_job, p_tenant, (job.input_image IS NOT NULL OR job.input_url IS NOT NULL) AND job.input_removed_at IS NULL);
  -- Before the cancel, whose event tells nobody of a job that was deleted.
  UPDATE jobs
  SET erase_requested_at = clock_timestamp(), request = NULL, input_image = NULL, input_url = NULL, input_prepared = false,
      input_removed_at = coalesce(input_removed_at, clock_timestamp())
  WHERE id = p_job;
  PERFORM request_cancel(p_job, p_tenant);
  -- One that somebody holds just now is dropped by whoever would make its next try.
  PERFORM end_webhook(id, 'dropped', 'erased') FROM (
    SELECT id FROM webhook_deliveries WHERE webhook_deliveries.job = p_job AND ended_at IS NULL FOR UPDATE SKIP LOCKED) AS open;
  DELETE FROM recent_requests WHERE recent_requests.job = p_job;
  RETURN true;
END $$;

-- Requests of clients that number their retries and send no key: one row for each try. The tries of one request have one
-- job, whose id is agreed here before anybody writes the job, so that neither who comes first nor who commits first matters.
-- Kept for minutes.
CREATE TABLE recent_requests (
  -- The id that this try would have given its job.
  request      job_id PRIMARY KEY,
  tenant       text COLLATE "C" NOT NULL,
  fingerprint  bytea NOT NULL,
  -- The number that the client gave this try, from 0.
  retry        integer NOT NULL,
  -- When the try reached us, by the clock of the API.
  received_at  timestamptz NOT NULL,
  job          job_id NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX recent_requests_alike ON recent_requests (tenant, fingerprint, received_at);
CREATE INDEX recent_requests_of_job ON recent_requests (job);
CREATE INDEX recent_requests_by_age ON recent_requests USING brin (received_at) WITH (autosummarize = on);

-- The job of a try. A further try is taken for one of the newest like request that has none of this number yet. A try that
-- comes to us after its own retry did, because its way through the API was the longer one, is known by having been received
-- before it. Whatever else is alike is a request of its own: two first tries are two videos. May be asked again.
CREATE FUNCTION claim_request(
  p_request job_id, p_tenant text, p_fingerprint bytea, p_retry integer, p_received_at timestamptz, p_window interval
) RETURNS job_id
LANGUAGE plpgsql AS $$
DECLARE
  claimed job_id;
BEGIN
  -- Like requests one after the other: the statements below see what those before have written.
  PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant || ' ' || encode(p_fingerprint, 'hex'), 7741530205));
  SELECT job INTO claimed FROM recent_requests WHERE request = p_request;
  IF FOUND THEN
    RETURN claimed;
  END IF;
  -- However many are alike: those that are cut at once come back at once, each in vain for most of the others.
  SELECT alike.job INTO claimed
  FROM recent_requests alike
  WHERE alike.tenant = p_tenant AND alike.fingerprint = p_fingerprint
    AND alike.received_at > p_received_at - CASE WHEN p_retry > 0 THEN p_window ELSE interval '0' END
    AND alike.received_at < p_received_at + p_window
    AND (p_retry > 0 OR alike.retry > 0)
    AND NOT EXISTS (
      SELECT FROM recent_requests tried
      WHERE tried.job = alike.job
        AND NOT (tried.retry < p_retry OR (tried.retry > p_retry AND tried.received_at > p_received_at))
    )
  ORDER BY alike.received_at DESC
  LIMIT 1;
  INSERT INTO recent_requests (request, tenant, fingerprint, retry, received_at, job)
  VALUES (p_request, p_tenant, p_fingerprint, p_retry, p_received_at, coalesce(claimed, p_request));
  RETURN coalesce(claimed, p_request);
END $$;
