import type { Answer } from './answer.ts';
import type { CallbackRules } from './callback-rules.ts';
import type { Model } from './model.ts';
import type { Ending, Prediction } from './prediction.ts';
import type { TierLimits, TierName } from './tier.ts';
import type { VendorName } from './vendor-name.ts';

/** By what rules a vendor keeps an account. */
export interface VendorRules {
  readonly name: VendorName;
  readonly models: readonly Model[];
  /** The input that holds the prompt, where markers of faults are looked for. */
  readonly promptField: string;
  /** The word before the key in the `authorization` header. */
  readonly authorization: 'Bearer' | 'Key';
  readonly tiers: Readonly<Record<TierName, TierLimits>>;
  /** With `wait` a prediction over the limit stays `created` until a slot is free. */
  readonly overConcurrency: 'refuse' | 'wait';
  /** The vendor's way to write an id, of 32 hex digits that are this id's own. */
  readonly idOf: (hex: string) => string;
  /** Absent: the vendor has no callbacks. */
  readonly callbacks?: CallbackRules;
  /** What a cancel does to the bill; undefined where it is too late, or the vendor can't stop a job. */
  readonly cancellationOf: (prediction: Prediction) => Cancellation | undefined;
  /** How a job ends whose own deadline passed. Absent: the vendor takes none. */
  readonly overdueEndingOf?: (prediction: Prediction) => Ending | undefined;
  /** How long outputs and data are kept after the end, before `timeScale`. */
  readonly retentionMs: number;
  /** How long a URL of an output works, before `timeScale`. Absent: as long as the output is there. */
  readonly outputUrlMs?: number;
  readonly errors: VendorErrors;
}

export interface Cancellation {
  readonly billed: boolean;
}

/** What any route may have to answer, in the vendor's own shape. */
export interface VendorErrors {
  readonly unauthorized: () => Answer;
  readonly notFound: (what: string) => Answer;
  readonly internal: () => Answer;
}
