import type { LiveAttempts } from '../../db/jobs/cancel.ts';
import type { JobPhase } from '../../domain/job.ts';
import { usdOf } from './video-object.ts';

/** What a cancel has come to: the part of its answer that is no part of the video. */
export interface Cancellation {
  /**
   * `cancelled`: the job has ended by it. `requested`: it ends as soon as its workflow hears of it, unless its video is
   * there first. `too_late`: it had ended otherwise, and stays so.
   */
  readonly state: 'cancelled' | 'requested' | 'too_late';
  /** Every provider that works on it can be told to stop. True also where none does. */
  readonly provider_stops: boolean;
  /** What providers may charge at the most for what they have begun and not ended. Null: a price is unknown. */
  readonly may_still_cost_usd: number | null;
}

/** @param phase as it stands after the cancel */
export function cancellationOf(phase: JobPhase, { route, attempts }: LiveAttempts): Cancellation {
  return {
    state: stateOf(phase),
    provider_stops: attempts.every(({ target }) => route[target]?.stoppable === true),
    may_still_cost_usd: usdOf(sumOf(attempts.map(({ priceUsdMicros }) => priceUsdMicros))),
  };
}

function stateOf(phase: JobPhase): Cancellation['state'] {
  switch (phase) {
    case 'queued':
    case 'in_progress':
      return 'requested';
    case 'cancelled':
      return 'cancelled';
    case 'completed':
    case 'failed':
      return 'too_late';
  }
}

function sumOf(prices: readonly (number | null)[]): number | null {
  return prices.reduce<number | null>((sum, price) => (sum === null || price === null ? null : sum + price), 0);
}
