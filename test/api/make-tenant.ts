import { apiKeyText, newApiKey, secretSha256 } from '../../src/api/auth/api-key.ts';
import { insertKey } from '../../src/db/tenants/api-keys.ts';
import { insertTenant, type TenantChange, updateTenant } from '../../src/db/tenants/tenants.ts';
import type { Scope } from '../../src/domain/tenant.ts';
import type { TestDatabase } from '../support/database.ts';

export interface TestKey {
  readonly id: string;
  readonly text: string;
  readonly headers: { readonly authorization: string };
}

export interface KeyOptions {
  readonly scopes?: readonly Scope[];
  readonly secondsValid?: number;
}

interface Place {
  readonly database: TestDatabase;
}

/** A tenant with a key of its own, held to what the test says. */
export async function makeTenant({ database }: Place, id: string, change: TenantChange = {}): Promise<TestKey> {
  await insertTenant(database.pool, id);
  await updateTenant(database.pool, id, change);
  return await makeKey({ database }, id);
}

/** Another key of a tenant. */
export async function makeKey({ database }: Place, tenant: string, options: KeyOptions = {}): Promise<TestKey> {
  const { id, secret } = newApiKey();
  const { scopes = ['read', 'write', 'webhooks'], secondsValid = null } = options;
  const key = { id, tenant, secretSha256: secretSha256(secret), name: '', scopes, secondsValid };
  await insertKey(database.pool, key);
  const text = apiKeyText({ id, secret });
  return { id, text, headers: { authorization: `Bearer ${text}` } };
}
