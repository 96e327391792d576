import type { PoolClient } from 'pg';
import { apiKeyText, isKeyId, newApiKey, parseApiKey, secretSha256 } from '../../api/auth/api-key.ts';
import { recordAction } from '../../db/control/operator-actions.ts';
import { insertKey, listKeys, revokeKey } from '../../db/tenants/api-keys.ts';
import { inTransaction } from '../../db/pool.ts';
import { lockTenant } from '../../db/tenants/tenants.ts';
import { limits } from '../../domain/limits/limits.ts';
import { CommandError } from '../command-line/command-error.ts';
import { type KeyWish, keyWishOf, tenantIdOf } from './options.ts';
import { adminTable } from '../command-line/table.ts';
import { signatureOf } from '../ops/signed.ts';
import type { AdminTask } from './task.ts';

/** `key create`: the key alone goes to standard output, so that a script can put it where it belongs. */
export async function createKey({ pool, subject, flags, say, note }: AdminTask): Promise<void> {
  const tenant = tenantIdOf(subject);
  const wish = keyWishOf(flags);
  const signed = signatureOf(flags);
  const key = await inTransaction(pool, (connection) => addKey(connection, { tenant, ...wish, ...signed }));
  note(`A key of ${tenant}, for ${wish.scopes.join(', ')}. It is shown this once: keep it where secrets are kept.`);
  say(key);
}

export interface NewKeyOrder extends KeyWish {
  readonly tenant: string;
  readonly actor: string;
  readonly reason: string;
}

/** Within a transaction: two operators at once must not make one key too many. */
export async function addKey(connection: PoolClient, { tenant, actor, reason, ...wish }: NewKeyOrder): Promise<string> {
  if (!(await lockTenant(connection, tenant))) throw noSuchTenant(tenant);
  const active = (await listKeys(connection, tenant)).filter(({ state }) => state === 'active');
  if (active.length >= limits.activeKeysMax)
    throw new CommandError(
      1,
      `${tenant} has ${active.length} active keys, which is as many as may be: one in use, and one to change over to. ` +
        `Revoke one first: ${active.map(({ id }) => `npm run admin -- key revoke ${id}`).join(', or ')}.`,
    );
  const key = newApiKey();
  await insertKey(connection, { id: key.id, tenant, secretSha256: secretSha256(key.secret), ...wish });
  const detail = { key: key.id, scopes: wish.scopes, secondsValid: wish.secondsValid };
  await recordAction(connection, { actor, reason, action: 'create_key', subject: tenant, detail });
  return apiKeyText(key);
}

export function noSuchTenant(tenant: string): CommandError {
  return new CommandError(1, `There is no tenant ${tenant}. Make it: npm run admin -- tenant create ${tenant}.`);
}

/** `key list` */
export async function listKeysOf({ pool, subject, say }: AdminTask): Promise<void> {
  const keys = await listKeys(pool, subject === undefined ? null : tenantIdOf(subject));
  const rows = keys.map((key) => [
    key.id,
    key.tenant,
    key.state,
    key.scopes.join(','),
    momentOf(key.createdAt),
    key.expiresAt === null ? 'never' : momentOf(key.expiresAt),
    key.lastUsedAt === null ? 'never' : momentOf(key.lastUsedAt),
    key.name,
  ]);
  say(adminTable([['id', 'tenant', 'state', 'scopes', 'created', 'expires', 'last used', 'name'], ...rows]));
}

/** `key revoke`: by the id, or by the whole key, which is what somebody has who finds one in the wrong place. */
export async function revoke({ pool, subject = '', flags, note }: AdminTask): Promise<void> {
  const id = isKeyId(subject) ? subject : parseApiKey(subject)?.id;
  if (id === undefined) throw new CommandError(2, 'Name the key by its id, as `key list` shows it.');
  const signed = signatureOf(flags);
  const tenant = await inTransaction(pool, async (connection) => {
    const owner = await revokeKey(connection, id);
    const action = { ...signed, action: 'revoke_key', detail: { key: id } };
    if (owner !== undefined) await recordAction(connection, { ...action, subject: owner });
    return owner;
  });
  if (tenant === undefined) throw new CommandError(1, `There is no key ${id}. See npm run admin -- key list.`);
  note(`The key ${id} of ${tenant} is revoked. Every process refuses it within ${limits.keyServedMsMax / 1_000} s.`);
}

export function momentOf(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
