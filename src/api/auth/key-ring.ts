import { timingSafeEqual } from 'node:crypto';
import { type ActiveKey, findActiveKeys, noteKeysUsed } from '../../db/tenants/api-keys.ts';
import type { Database } from '../../db/pool.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type ApiKey, secretSha256 } from './api-key.ts';
import { createCachedLookup } from './cached-lookup.ts';
import type { Caller } from './caller.ts';

/** The keys that tenants have, as far as this process has met them. */
export interface KeyRing {
  /** Undefined: there is no such key, or its secret is another one, or it has expired or was revoked up to a minute ago. */
  find(key: ApiKey): Promise<Caller | undefined>;
}

interface KnownKey {
  readonly secretSha256: Buffer;
  /** By the ring's clock. */
  readonly expiresAt: number;
  readonly caller: Caller;
}

export function createKeyRing(pool: Database, clock: () => number): KeyRing {
  const note = createUseNotes(pool, clock);
  const keys = createCachedLookup<KnownKey>({
    async readMany(ids) {
      const readAt = clock();
      const rows = await findActiveKeys(pool, ids);
      return new Map(rows.map((row) => [row.id, knownKey(row, readAt)]));
    },
    clock,
    freshMs: limits.keyFreshMs,
    servedMsMax: limits.keyServedMsMax,
    absentMs: limits.keyAbsentMs,
  });
  return {
    async find({ id, secret }) {
      const known = await keys.find(id);
      const isRight = timingSafeEqual(secretSha256(secret), known?.secretSha256 ?? nobodysSecret);
      if (known === undefined || !isRight || clock() >= known.expiresAt) return undefined;
      note(id);
      return known.caller;
    },
  };
}

/** An unknown id takes as long as a wrong secret, and a hash of zeros has no secret that anybody could know. */
const nobodysSecret = Buffer.alloc(32);

function knownKey({ id, tenant, scopes, leftMs, secretSha256, limits }: ActiveKey, readAt: number): KnownKey {
  const expiresAt = leftMs === null ? Number.POSITIVE_INFINITY : readAt + leftMs;
  return { secretSha256, expiresAt, caller: { tenant, keyId: id, scopes, jobId: null, limits } };
}

const notesTogetherMs = 1_000;

/** Puts down that a key is in use, once in a while and beside the request. A note that gets lost is followed by another. */
function createUseNotes(pool: Database, clock: () => number): (id: string) => void {
  const notedAt = new Map<string, number>();
  const pending = new Set<string>();
  let timer: NodeJS.Timeout | undefined;

  return (id) => {
    const now = clock();
    if (now - (notedAt.get(id) ?? Number.NEGATIVE_INFINITY) < limits.keyNotedEveryMs) return;
    if (notedAt.size >= limits.lookupsKeptMax) notedAt.clear();
    notedAt.set(id, now);
    pending.add(id);
    timer ??= setTimeout(write, notesTogetherMs).unref();
  };

  function write(): void {
    timer = undefined;
    const ids = [...pending];
    pending.clear();
    noteKeysUsed(pool, ids).catch(() => undefined);
  }
}
