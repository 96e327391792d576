import type { Database } from '../pool.ts';

/** How far the delivery to workflows is behind. */
export interface MailLag {
  /** Seconds that the oldest letter has been due; 0: none is. */
  readonly oldestDueSeconds: number;
}

/** A letter goes when it is delivered, so the table is as long as what is behind. One for later is not due. */
export async function readMailLag(db: Database): Promise<MailLag | undefined> {
  const { rows } = await db.query<MailLag>({
    name: 'read_mail_lag',
    text: `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(greatest(created_at, not_before))), 0)::float8 AS "oldestDueSeconds"
           FROM mailbox WHERE not_before <= (SELECT clock_timestamp())`,
  });
  return rows[0];
}
