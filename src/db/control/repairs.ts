import type { JobId } from '../../domain/job.ts';
import type { MoveAnswer } from '../../domain/story.ts';
import type { Database } from '../pool.ts';
import { millis, only } from '../sql.ts';

/** A repair of a job, as an operator asked for it. */
export interface RepairNote {
  readonly jobId: JobId;
  /** The id that it was asked for under: written once. */
  readonly request: string;
  /** The run of the workflow that notes it. */
  readonly run: string;
  readonly repair: string;
  readonly actor: string;
  readonly reason: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** By how much more time the job is to have. */
  readonly extensionMs: number;
  /** From now, beyond which no deadline is moved. */
  readonly spanMsMax: number;
  /** What may still be paid is risked to be paid beside another attempt. */
  readonly isForced: boolean;
  /** Index into the route, where another attempt is to go. */
  readonly target: number | undefined;
  /** Attempts whose copy is given up for it. */
  readonly copies: readonly number[];
  readonly attemptsMax: number;
}

/** As in the contract of the activity. */
export interface NotedRepair {
  readonly verdict: 'noted' | 'repeated' | 'kept' | 'exhausted' | 'too_dear' | 'no_budget' | 'job_final';
  /** By how much the run deadline has moved. */
  readonly byMs: number;
  /** By when the job has to be begun, or to end. Null: it does not exist. */
  readonly endsAt: number | null;
}

export async function noteRepair(db: Database, note: RepairNote): Promise<NotedRepair> {
  const { rows } = await db.query<NotedRepair>({
    name: 'note_repair',
    text: `SELECT verdict, by_ms AS "byMs", ${millis('ends_at')} AS "endsAt"
           FROM note_repair($1, $2, $3, $4, $5, $6, $7, $8 * interval '1 millisecond', $9 * interval '1 millisecond', $10, $11, $12, $13)`,
    values: [
      note.jobId,
      note.request,
      note.run,
      note.repair,
      note.actor,
      note.reason,
      JSON.stringify(note.detail),
      note.extensionMs,
      note.spanMsMax,
      note.isForced,
      note.target ?? null,
      note.copies,
      note.attemptsMax,
    ],
  });
  return only(rows, 'note_repair');
}

/** Sends the job's waiting ticket to another target of its route. */
export async function moveTicket(db: Database, jobId: JobId, target: number): Promise<MoveAnswer> {
  const { rows } = await db.query<{ answer: MoveAnswer }>({
    name: 'move_ticket',
    text: 'SELECT move_ticket($1, $2) AS answer',
    values: [jobId, target],
  });
  return only(rows, 'move_ticket').answer;
}
