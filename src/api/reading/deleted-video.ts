import type { Receipt, ReceiptAttempt } from '../../db/retention/erase.ts';
import type { JobId } from '../../domain/job.ts';
import { usdOf } from './video-object.ts';

/** What a deletion is answered with: the dialect's three fields, and what has become of everything. */
export interface DeletedVideo {
  readonly id: JobId;
  readonly object: 'video.deleted';
  readonly deleted: true;
  readonly receipt: DeletionReceipt;
}

/** Parts of a job: the prompt and all other wishes; the picture that came with it; our copy of the video. */
type Part = 'request' | 'input_image' | 'video';

export interface DeletionReceipt {
  readonly erased: readonly Part[];
  /** Goes as soon as the job has ended, without anybody asking again. */
  readonly pending: readonly Part[];
  /** What was sent to providers, in its order. */
  readonly provider: readonly ProviderReceipt[];
  /** Booked so far. It stays booked. Null: nothing yet. */
  readonly cost_usd: number | null;
  /** Unix seconds. Null: something is pending, here or at a provider. */
  readonly erased_at: number | null;
}

export interface ProviderReceipt {
  readonly provider: string;
  /** The provider's own id, to ask it by. Null: nobody was told. */
  readonly operation: string | null;
  /**
   * `erased`: it says that nothing is left. `not_supported`: it has no call for that, and forgets by its own rules.
   * `pending`: it is still at work, or has not answered. `failed`: nobody could be asked; ask the provider yourself.
   */
  readonly outcome: 'erased' | 'not_supported' | 'pending' | 'failed';
}

export function deletedVideo(id: JobId, receipt: Receipt, bySimulator: boolean): DeletedVideo {
  const { erased, pending } = partsOf(receipt);
  return {
    id,
    object: 'video.deleted',
    deleted: true,
    receipt: {
      erased,
      pending,
      provider: receipt.attempts.map((attempt) => providerReceipt(attempt, bySimulator)),
      cost_usd: usdOf(receipt.costUsdMicros),
      erased_at: receipt.erasedAt === null ? null : Math.floor(receipt.erasedAt / 1_000),
    },
  };
}

function partsOf({ isFinal, isRemoved, hadInput, hadVideo }: Receipt): Pick<DeletionReceipt, 'erased' | 'pending'> {
  // Of a job under way a video may still come.
  const objects: readonly Part[] = [
    ...(hadInput ? (['input_image'] as const) : []),
    ...(hadVideo || !isFinal ? (['video'] as const) : []),
  ];
  return isRemoved ? { erased: ['request', ...objects], pending: [] } : { erased: ['request'], pending: objects };
}

function providerReceipt({ provider, operation, erasure }: ReceiptAttempt, bySimulator: boolean): ProviderReceipt {
  return { provider: bySimulator ? 'simulator' : provider, operation, outcome: erasure ?? 'pending' };
}
