import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { findTenantLimits, findTenantsOfJobs } from '../../db/tenants/tenants.ts';
import { limits } from '../../domain/limits/limits.ts';
import { noTenantLimits, scopes, type TenantLimits } from '../../domain/tenant.ts';
import { parseApiKey } from './api-key.ts';
import { type CachedLookup, createCachedLookup } from './cached-lookup.ts';
import type { Caller } from './caller.ts';
import { type ClientTokens, isClientToken } from './client-token.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import { type AppDeps, defaultTenant } from '../deps.ts';
import { createKeyRing } from './key-ring.ts';
import { refuseStrangers } from './loopback-only.ts';
import { refuseUnlessAllowed } from './permission.ts';
import { Problem } from '../problems/problem.ts';

/** The head of a request, or of one that asks for a WebSocket. */
export interface RequestHead {
  readonly method: string;
  /** As it was sent, with the query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Authenticator {
  /** Who sends a request, and that it may. Rejects with the problem to answer with. */
  admit(head: RequestHead): Promise<Caller>;
}

export interface AuthenticatorDeps {
  readonly app: Pick<AppDeps, 'pool' | 'clock' | 'apiKey' | 'requireKeys'>;
  readonly tokens: ClientTokens;
}

/**
 * A caller shows a key of its tenant's; the operator's static key, which speaks for the default tenant; or a client token.
 * Where there is no static key and none is required, everybody on loopback speaks for the default tenant.
 */
export function createAuthenticator({ app, tokens }: AuthenticatorDeps): Authenticator {
  const { pool, clock, apiKey, requireKeys = false } = app;
  const ring = createKeyRing(pool, clock);
  const tenants = createTenantLookup(app);
  const owners = createOwnerLookup(app);
  const staticKey = apiKey === undefined ? undefined : digestOf(apiKey);
  // Where tenants have keys, many programs may have this one: operators have keys of their own then.
  const ownScopes = requireKeys ? scopes.filter((scope) => scope !== 'admin') : scopes;
  const isOpen = apiKey === undefined && !requireKeys;

  return {
    async admit(head) {
      const caller = await identify(head);
      refuseUnlessAllowed(caller, { method: head.method, path: pathOf(head.url) });
      return caller;
    },
  };

  async function identify({ url, headers }: RequestHead): Promise<Caller> {
    const bearer = bearerOf(headers.authorization);
    const shown = bearer ?? tokenOf(url);
    if (shown !== undefined) {
      const caller = bearer === undefined ? await clientOf(shown) : await bearerCaller(bearer);
      if (caller !== undefined) return caller;
      // A client that insists on a key may send any where none is asked for; one of ours that opens nothing is a mistake.
      if (!isOpen || bearer === undefined || bearer.startsWith('spw_')) throw keyWrong();
    }
    if (!isOpen) throw keyMissing();
    refuseStrangers(headers);
    return await operator();
  }

  async function bearerCaller(bearer: string): Promise<Caller | undefined> {
    if (staticKey !== undefined && timingSafeEqual(digestOf(bearer), staticKey)) return await operator();
    if (isClientToken(bearer)) return await clientOf(bearer);
    const key = parseApiKey(bearer);
    return key && (await ring.find(key));
  }

  async function clientOf(token: string): Promise<Caller | undefined> {
    const permission = await beginDatabaseWait(limits.lookupWaitMsMax).answered(tokens.read(token));
    if (permission === undefined || permission.expires * 1_000 <= clock()) return undefined;
    const { jobId } = permission;
    const tenant = await owners.find(jobId);
    if (tenant === undefined) return undefined;
    return { tenant, keyId: null, scopes: ['read'], jobId, limits: await limitsOf(tenant) };
  }

  async function operator(): Promise<Caller> {
    return {
      tenant: defaultTenant,
      keyId: null,
      scopes: ownScopes,
      jobId: null,
      limits: await limitsOf(defaultTenant),
    };
  }

  /** Where the database never said, the request goes on without: it will not get far, or the database is back by then. */
  async function limitsOf(tenant: string): Promise<TenantLimits> {
    const found = await tenants.find(tenant).catch((error: unknown) => {
      if (error instanceof Problem) return undefined;
      throw error;
    });
    return found ?? noTenantLimits;
  }
}

type LookupDeps = Pick<AppDeps, 'pool' | 'clock'>;

/** What an operator sets holds within seconds; while the database is silent what was last known does. */
function createTenantLookup({ pool, clock }: LookupDeps): CachedLookup<TenantLimits> {
  return createCachedLookup<TenantLimits>({
    async readMany(tenants) {
      return new Map((await findTenantLimits(pool, tenants)).map(({ id, limits }) => [id, limits]));
    },
    clock,
    freshMs: limits.tenantLimitsFreshMs,
    servedMsMax: Number.POSITIVE_INFINITY,
    absentMs: limits.tenantLimitsFreshMs,
  });
}

/** A job stays its tenant's for ever. */
function createOwnerLookup({ pool, clock }: LookupDeps): CachedLookup<string> {
  return createCachedLookup<string>({
    async readMany(jobs) {
      return new Map((await findTenantsOfJobs(pool, jobs)).map(({ id, tenant }) => [id, tenant]));
    },
    clock,
    freshMs: Number.POSITIVE_INFINITY,
    servedMsMax: Number.POSITIVE_INFINITY,
    absentMs: limits.keyAbsentMs,
  });
}

function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

function bearerOf(header: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(header ?? '')?.[1];
}

/** By this one spelling, which is the one that logs hide. */
function tokenOf(url: string): string | undefined {
  return /[?&]token=([^&#]*)/.exec(url)?.[1];
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? '';
}

function keyMissing(): Problem {
  return unauthorized('Bearer');
}

/** The same for whatever is wrong with a key: who tries keys learns nothing of them. */
function keyWrong(): Problem {
  return unauthorized('Bearer error="invalid_token"');
}

function unauthorized(challenge: string): Problem {
  return new Problem('unauthorized', {
    detail: 'Send an API key that is valid as `Authorization: Bearer <key>`.',
    headers: { 'www-authenticate': challenge },
  });
}
