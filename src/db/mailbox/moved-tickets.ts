/**
 * SQL for the part `told`: of `moved` (job, attempt, target, has_workflow), those that have a workflow let it know in which
 * line they wait now, so that what it shows is said of that one. A job that nobody has seen yet has none, and costs nothing.
 * News of an earlier move that is on its way is replaced, under another id: its delivery takes nothing of this one.
 */
export const toldOfMoves = `told AS (
    INSERT INTO mailbox (job, kind, attempt, payload)
    SELECT job, 'repair', attempt, jsonb_build_object('target', target, 'refusal', NULL) FROM moved WHERE has_workflow
    ON CONFLICT (job, kind, attempt) DO UPDATE
    SET id = DEFAULT, payload = excluded.payload, leased_until = excluded.leased_until, tries = 0
  )`;
