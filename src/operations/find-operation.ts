import type { Database } from '../db/pool.ts';
import { seedOfAttempt } from '../db/ledger/restore.ts';
import { limits } from '../domain/limits/limits.ts';
import type { RouteTarget } from '../domain/route.ts';
import { ProviderUnreachableError, type VideoProvider } from '../providers/provider.ts';

export interface FindDeps {
  readonly db: Database;
  readonly providers: ReadonlyMap<string, VideoProvider>;
  readonly clock: () => number;
}

export interface SentAttempt {
  readonly jobId: string;
  readonly attempt: number;
  readonly target: RouteTarget;
  readonly submittedAtMs: number;
}

/**
 * What the vendor calls an attempt whose row was lost: in its list, by the seed that is made of the attempt's name. Undefined:
 * it has no such list, or not exactly one in it carries the seed.
 */
export async function findOperation(
  { db, providers, clock }: FindDeps,
  { jobId, attempt, target, submittedAtMs }: SentAttempt,
): Promise<string | undefined> {
  const provider = providers.get(target.provider);
  if (provider?.find === undefined) return undefined;
  const query = {
    model: target.vendorModel,
    seed: await seedOfAttempt(db, jobId, attempt),
    createdAfter: submittedAtMs - limits.vendorClockMsMax,
    createdBefore: clock() + limits.vendorClockMsMax,
  };
  const found = await answerOf(provider.find(query));
  return found?.length === 1 ? found[0]?.operation : undefined;
}

/** No readable answer: nobody knows more than before. */
export async function answerOf<Answer>(asked: Promise<Answer> | undefined): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ProviderUnreachableError) return undefined;
    throw error;
  }
}
