import type { ControlOutcome, Pause, PauseKind } from '../../domain/control.ts';
import { carryOutOrder } from './control-order.ts';
import type { Connections, Database } from '../pool.ts';

/** Who asks for something, why, and under which id: one that is asked for again is done once. */
export interface SignedOrder {
  readonly actor: string;
  readonly reason: string;
  readonly request?: string;
}

export interface ResumeOrder extends SignedOrder {
  readonly kind: PauseKind;
  readonly subject: string;
}

export interface PauseOrder extends ResumeOrder {
  readonly drains: boolean;
  /** Null: until it is resumed. */
  readonly seconds: number | null;
}

/** Once this has answered nothing is granted there: it waits for the passes that are under way. What was granted goes on. */
export async function pauseSubject(pool: Connections, order: PauseOrder): Promise<ControlOutcome> {
  const { kind, subject, drains, seconds, actor, reason, request = null } = order;
  return await carryOutOrder(pool, {
    name: 'pause_subject',
    text: 'SELECT pause_subject($1, $2, $3, $4, $5, $6, $7) AS outcome',
    values: [kind, subject, drains, seconds, actor, reason, request],
  });
}

/** Wake the grant pass afterwards. */
export async function resumeSubject(pool: Connections, order: ResumeOrder): Promise<ControlOutcome> {
  const { kind, subject, actor, reason, request = null } = order;
  return await carryOutOrder(pool, {
    name: 'resume_subject',
    text: 'SELECT resume_subject($1, $2, $3, $4, $5) AS outcome',
    values: [kind, subject, actor, reason, request],
  });
}

/** Every pause that is in force. There are as many as subjects at most, and mostly none. */
export async function listPauses(db: Database): Promise<readonly Pause[]> {
  const { rows } = await db.query<Pause>({
    name: 'list_pauses',
    text: 'SELECT kind, subject, drains, actor, reason, at, until FROM pauses_in_force ORDER BY kind, subject',
  });
  return rows;
}
