import type { Database } from '../pool.ts';

/** Whose a delivery is, and of which job. Without a job it is a test. */
export interface DeliveryOwner {
  readonly tenant: string;
  readonly jobId: string | null;
}

export async function findDeliveryOwner(db: Database, id: string): Promise<DeliveryOwner | undefined> {
  const { rows } = await db.query<DeliveryOwner>({
    name: 'find_delivery_owner',
    text: 'SELECT tenant, job AS "jobId" FROM webhook_deliveries WHERE id = $1',
    values: [id],
  });
  return rows[0];
}
