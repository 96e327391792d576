-- Up Migration

-- What the health watch reads once a second: the newest answers and ends of each target, as many as it wants and no more,
-- however busy the other targets are and however long a breaker has waited for its probes.
CREATE INDEX attempts_of_target_by_answer ON attempts (pool, target_name, answered_at) WHERE answered_at IS NOT NULL;
CREATE INDEX attempts_of_target_by_end ON attempts (pool, target_name, ended_at) WHERE ended_at IS NOT NULL;
