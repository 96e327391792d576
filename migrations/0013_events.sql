-- Up Migration

-- The events of one job are in the order of their numbers among those of its tenant, too: a transaction that was begun
-- earlier may have waited for the job's lock. A later `tx` than its own lets an event be told later, and never lost.
CREATE FUNCTION keep_event_in_order() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  NEW.tx := greatest(NEW.tx, (SELECT tx FROM job_events WHERE job = NEW.job AND seq = NEW.seq - 1));
  RETURN NEW;
END $$;
CREATE TRIGGER keep_event_in_order BEFORE INSERT ON job_events
FOR EACH ROW WHEN (NEW.seq > 1) EXECUTE FUNCTION keep_event_in_order();
