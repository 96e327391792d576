import type { RequestLease, RequestLeaseWish } from '../../db/tenants/rates.ts';
import { limits } from '../../domain/limits/limits.ts';
import { within } from '../database-wait.ts';

/** What a tenant has left of its minute, after the request that asks. */
export interface QuotaStanding {
  readonly isAllowed: boolean;
  readonly perMinute: number;
  readonly remaining: number;
  /** Until there is one more. */
  readonly waitMs: number;
}

/** Requests a minute of each tenant. */
export interface RequestQuota {
  /** At once where some are leased, which is nearly always. Never rejects. */
  take(tenant: string, perMinute: number): QuotaStanding | Promise<QuotaStanding>;
}

export interface RequestQuotaSettings {
  readonly lease: (wish: RequestLeaseWish) => Promise<RequestLease>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

interface Bucket {
  readonly perMinute: number;
  /** Leased and not taken yet. */
  tokens: number;
  /** What was left for everybody when it was last asked. */
  remaining: number;
  /** Until then nothing is to be had: nobody asks before. */
  emptyUntil: number;
  leasing: Promise<void> | undefined;
  /** Requests that wait for a lease. */
  waiting: number;
}

/**
 * The truth is one row a tenant, shared by all processes; each leases a second's worth from it, so that a request costs no
 * statement, and the sum over processes keeps the limit to within what they hold. While the database is silent each
 * process lets in by itself what the limit allows: a quota is no reason to be down.
 */
export function createRequestQuota({ lease, clock }: RequestQuotaSettings): RequestQuota {
  const buckets = new Map<string, Bucket>();

  return {
    take(tenant, perMinute) {
      const bucket = bucketOf(tenant, perMinute);
      // The next lease is there before the last one is used up.
      if (bucket.tokens <= chunkOf(perMinute) / 4) void leaseMore(tenant, bucket);
      return bucket.tokens >= 1 || bucket.leasing === undefined ? takeFrom(bucket) : takeLater(tenant, bucket);
    },
  };

  /** One lease at a time, for everybody who waits. */
  function leaseMore(tenant: string, bucket: Bucket): Promise<void> | undefined {
    if (clock() >= bucket.emptyUntil) bucket.leasing ??= refill(tenant, bucket);
    return bucket.leasing;
  }

  async function takeLater(tenant: string, bucket: Bucket): Promise<QuotaStanding> {
    bucket.waiting += 1;
    do await leaseMore(tenant, bucket);
    while (bucket.tokens < 1 && clock() >= bucket.emptyUntil);
    bucket.waiting -= 1;
    return takeFrom(bucket);
  }

  function bucketOf(tenant: string, perMinute: number): Bucket {
    const known = buckets.get(tenant);
    if (known !== undefined && known.perMinute === perMinute) return known;
    if (buckets.size >= limits.tenantsMetMax) buckets.clear();
    const bucket: Bucket = { perMinute, tokens: 0, remaining: 0, emptyUntil: 0, leasing: undefined, waiting: 0 };
    buckets.set(tenant, bucket);
    return bucket;
  }

  function takeFrom(bucket: Bucket): QuotaStanding {
    const { perMinute, remaining } = bucket;
    if (bucket.tokens < 1)
      return { isAllowed: false, perMinute, remaining: 0, waitMs: Math.max(bucket.emptyUntil - clock(), 1) };
    bucket.tokens -= 1;
    return { isAllowed: true, perMinute, remaining: bucket.tokens + remaining, waitMs: 60_000 / perMinute };
  }

  async function refill(tenant: string, bucket: Bucket): Promise<void> {
    const { perMinute } = bucket;
    const wanted = Math.min(Math.max(chunkOf(perMinute), bucket.waiting), perMinute);
    try {
      const { granted, remaining, waitMs } = await within(
        lease({ tenant, wanted, perMinute }),
        limits.requestLeaseMsMax,
      );
      bucket.tokens += granted;
      bucket.remaining = remaining;
      bucket.emptyUntil = clock() + waitMs;
    } catch {
      bucket.tokens += wanted;
      bucket.remaining = 0;
      bucket.emptyUntil = clock() + (wanted * 60_000) / perMinute;
    } finally {
      bucket.leasing = undefined;
    }
  }
}

/** A second's worth: so often at most a busy process asks, and so much at most it holds that others miss. */
function chunkOf(perMinute: number): number {
  return Math.max(1, Math.floor(perMinute / 60));
}
