import { recordAction } from '../../db/control/operator-actions.ts';
import { inTransaction } from '../../db/pool.ts';
import { findTenant, insertTenant, listTenants, type Tenant, updateTenant } from '../../db/tenants/tenants.ts';
import { CommandError } from '../command-line/command-error.ts';
import { addKey, momentOf, noSuchTenant } from './keys.ts';
import { keyWishOf, tenantChangeOf, tenantIdOf } from './options.ts';
import { adminTable } from '../command-line/table.ts';
import { signatureOf } from '../ops/signed.ts';
import type { AdminTask } from './task.ts';

/** `tenant create`: whole or not at all, so that what went wrong can be done again. */
export async function createTenant({ pool, subject, flags, say, note }: AdminTask): Promise<void> {
  const id = tenantIdOf(subject);
  const change = tenantChangeOf(flags);
  const wish = keyWishOf({ help: false });
  const signed = signatureOf(flags);
  const key = await inTransaction(pool, async (connection) => {
    if (!(await insertTenant(connection, id)))
      throw new CommandError(
        1,
        `There is a tenant ${id} already. Change it with \`tenant set\`, or see \`tenant show\`.`,
      );
    await updateTenant(connection, id, change);
    await recordAction(connection, { ...signed, action: 'create_tenant', subject: id, detail: { ...change } });
    return await addKey(connection, { tenant: id, ...wish, ...signed });
  });
  note(
    `The tenant ${id} is there, with this key for ${wish.scopes.join(', ')}. It is shown this once: keep it where secrets are kept.`,
  );
  say(key);
}

/** `tenant set` */
export async function changeTenant({ pool, subject, flags, note }: AdminTask): Promise<void> {
  const id = tenantIdOf(subject);
  const change = tenantChangeOf(flags);
  if (Object.keys(change).length === 0)
    throw new CommandError(2, 'Say what to change, such as --requests-per-minute 600. See npm run admin -- --help.');
  const signed = signatureOf(flags);
  await inTransaction(pool, async (connection) => {
    if (!(await updateTenant(connection, id, change))) throw noSuchTenant(id);
    await recordAction(connection, { ...signed, action: 'set_tenant', subject: id, detail: { ...change } });
  });
  note(`The tenant ${id} is changed. It holds within a minute.`);
}

/** `tenant show` */
export async function showTenant({ pool, subject, say }: AdminTask): Promise<void> {
  const id = tenantIdOf(subject);
  const tenant = await findTenant(pool, id);
  if (tenant === undefined) throw noSuchTenant(id);
  say(adminTable(headings.map((heading, column) => [heading, cellsOf(tenant)[column] ?? ''])));
}

/** `tenant list` */
export async function listAllTenants({ pool, say }: AdminTask): Promise<void> {
  say(adminTable([headings, ...(await listTenants(pool)).map(cellsOf)]));
}

const headings = [
  'id',
  'keys',
  'requests a minute',
  'queued',
  'queued per user',
  'outstanding',
  'day budget',
  'month budget',
  'weight',
  'created',
  'name',
];

function cellsOf({ id, name, weight, createdAt, limits, activeKeys }: Tenant): readonly string[] {
  return [
    id,
    String(activeKeys),
    countText(limits.requestsPerMinute),
    countText(limits.queuedMax),
    countText(limits.queuedPerUserMax),
    countText(limits.outstandingMax),
    usdText(limits.dayBudgetUsdMicros),
    usdText(limits.monthBudgetUsdMicros),
    String(weight),
    momentOf(createdAt),
    name,
  ];
}

function countText(count: number | null): string {
  return count === null ? 'none' : String(count);
}

function usdText(usdMicros: number | null): string {
  return usdMicros === null ? 'none' : `$${(usdMicros / 1e6).toFixed(2)}`;
}
