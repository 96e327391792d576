-- Up Migration
-- Without a transaction: statement by statement, so that nobody who joins or leaves the line waits until it was read. One that
-- was cut short leaves an index that is not valid, so each begins by dropping what is there.

-- Tickets whose workflow was told something, few at any time: of those alone it has to be told that their line is only full again.
DROP INDEX CONCURRENTLY IF EXISTS told_tickets;
CREATE INDEX CONCURRENTLY told_tickets ON tickets (job) WHERE told_refusal IS NOT NULL;

-- Further attempts of jobs that have a workflow, which is told what the provider says to their line: few fail and wait again.
DROP INDEX CONCURRENTLY IF EXISTS retries_in_line;
CREATE INDEX CONCURRENTLY retries_in_line ON tickets (pool, target_name) WHERE kind = 'retry';

-- Flows of tenants that are paused.
DROP INDEX CONCURRENTLY IF EXISTS held_flows;
CREATE INDEX CONCURRENTLY held_flows ON flows (pool, tenant) WHERE held;
