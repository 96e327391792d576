import type { Database } from '../pool.ts';

/** Something that an operator did. Nothing personal of callers' belongs in it. */
export interface OperatorAction {
  readonly actor: string;
  /** A repair's name, or `pause`, `resume`, `limits`, `drain`, … */
  readonly action: string;
  /** A job's id, or the name of what was paused, limited or drained. */
  readonly subject: string;
  readonly reason: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  /** The id under which it was asked for. */
  readonly request?: string;
}

/** Writes an action down, once for each request. False: it was written before. */
export async function recordAction(db: Database, action: OperatorAction): Promise<boolean> {
  const { actor, action: name, subject, reason, detail = {}, request = null } = action;
  const { rowCount } = await db.query({
    name: 'record_action',
    text: `INSERT INTO operator_actions (actor, action, subject, reason, detail, request) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (request) DO NOTHING`,
    values: [actor, name, subject, reason, JSON.stringify(detail), request],
  });
  return rowCount === 1;
}

/** An action as it was written down. */
export interface RecordedAction extends Required<Omit<OperatorAction, 'request'>> {
  readonly id: string;
  readonly at: Date;
}

export interface ActionsPage {
  /** Those that were written after this one. Null: from the newest backwards. */
  readonly after: string | null;
  /** Of this subject alone. Null: of all. */
  readonly subject: string | null;
  readonly count: number;
}

/** The newest first; or, after one that was seen, what has come since, the oldest first. */
export async function listActions(
  db: Database,
  { after, subject, count }: ActionsPage,
): Promise<readonly RecordedAction[]> {
  const order = after === null ? 'DESC' : 'ASC';
  const { rows } = await db.query<RecordedAction>({
    name: `list_actions_${order}`,
    text: `SELECT id::text, at, actor, action, subject, reason, detail FROM operator_actions
           WHERE ($1::bigint IS NULL OR id > $1) AND ($2::text IS NULL OR subject = $2)
           -- By the number: the bare name is the text above.
           ORDER BY operator_actions.id ${order} LIMIT $3`,
    values: [after, subject, count],
  });
  return rows;
}

/** Whether something else was done to the subject under a request that begins alike. */
export async function isRequestReused(
  db: Database,
  { subject, request, begin }: { readonly subject: string; readonly request: string; readonly begin: string },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'is_request_reused',
    text: `SELECT 1 FROM operator_actions WHERE subject = $1 AND starts_with(request, $2) AND request <> $3 LIMIT 1`,
    values: [subject, begin, request],
  });
  return rowCount === 1;
}

/** To which of these subjects that was done within so many milliseconds. */
export async function findSubjectsOf(
  db: Database,
  {
    action,
    subjects,
    withinMs,
  }: { readonly action: string; readonly subjects: readonly string[]; readonly withinMs: number },
): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ subject: string }>({
    name: 'find_subjects_of_action',
    text: `SELECT subject FROM unnest($2::text[]) AS asked(subject)
           WHERE EXISTS (
             SELECT 1 FROM operator_actions AS own WHERE own.subject = asked.subject COLLATE "C" AND own.action = $1
               AND own.at > (SELECT clock_timestamp()) - $3 * interval '1 millisecond')`,
    values: [action, subjects, withinMs],
  });
  return new Set(rows.map(({ subject }) => subject));
}
