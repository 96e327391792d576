-- Up Migration

-- Who may go to another target, by when: found without reading the line. A ticket joins it at the end, so it costs accept
-- next to nothing.
CREATE INDEX tickets_by_spill ON tickets (pool, target_name, spill_at) WHERE spill_at < 'infinity' AND NOT parked;
