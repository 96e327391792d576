import type { Database } from './pool.ts';
import { only } from './sql.ts';

/** Marks a new database as a simulated or a real deployment's, and says which it is. */
export async function claimDeployment(db: Database, simulated: boolean): Promise<{ readonly simulated: boolean }> {
  await db.query('INSERT INTO deployment (simulated) VALUES ($1) ON CONFLICT DO NOTHING', [simulated]);
  const { rows } = await db.query<{ simulated: boolean }>('SELECT simulated FROM deployment');
  return only(rows, 'deployment');
}
