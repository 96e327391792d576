import type { Database } from '../pool.ts';
import { only } from '../sql.ts';

/** The secret that our own URLs are signed with, the same for all processes. */
export async function findUrlSecret(db: Database): Promise<Buffer> {
  const { rows } = await db.query<{ secret: Buffer }>(`SELECT secret FROM signing_keys WHERE id = 'urls'`);
  return only(rows, 'signing_keys').secret;
}

/** The secret that client tokens are signed with. */
export async function findClientTokenSecret(db: Database): Promise<Buffer> {
  const { rows } = await db.query<{ secret: Buffer }>(`SELECT secret FROM signing_keys WHERE id = 'client_tokens'`);
  return only(rows, 'signing_keys').secret;
}
