import type { Fault } from './fault.ts';
import type { Inputs } from './model.ts';
import type { VendorName } from './vendor-name.ts';

export type Ending =
  | { readonly kind: 'completed' }
  /** The code is one of WaveSpeed's, as in the faults; other vendors translate it. */
  | { readonly kind: 'failed'; readonly code: number; readonly message: string }
  | { readonly kind: 'cancelled'; readonly billed: boolean }
  | { readonly kind: 'timeout' };

type PredictionStatus = 'created' | 'processing' | Ending['kind'];

export interface Prediction {
  readonly id: string;
  readonly vendor: VendorName;
  readonly model: string;
  readonly input: Inputs;
  readonly webhook?: string;
  /** Where the submitter found us, so that our URLs work from where it stands. */
  readonly origin: string;
  /** The same with the vendor's prefix. */
  readonly baseUrl: string;
  readonly faults: readonly Fault[];
  readonly priceUsdMicros: number;
  readonly createdAtMs: number;
  readonly status: PredictionStatus;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly ending?: Ending;
  /** When the vendor ends it by itself, because its caller said so. */
  readonly deadlineAtMs?: number;
  /** How long outputs and data outlive the end. */
  readonly keptMs: number;
  /** Forgotten by the API, yet still running, outstanding and billed. */
  readonly deleted: boolean;
}

export function isEnded({ ending }: Prediction): boolean {
  return ending !== undefined;
}

export function started(prediction: Prediction, nowMs: number): Prediction {
  return prediction.status === 'created' ? { ...prediction, status: 'processing', startedAtMs: nowMs } : prediction;
}

/** The first ending stands. */
export function ended(prediction: Prediction, ending: Ending, nowMs: number): Prediction {
  if (isEnded(prediction)) return prediction;
  // What is cancelled before its start has none: some vendors tell the two apart.
  const last = ending.kind === 'cancelled' ? prediction : started(prediction, nowMs);
  return { ...last, status: ending.kind, ending, endedAtMs: nowMs };
}

/** Whether the vendor still knows that it was, but no longer what it was. */
export function isDataRemoved({ endedAtMs, keptMs }: Prediction, nowMs: number): boolean {
  return endedAtMs !== undefined && nowMs >= endedAtMs + keptMs;
}

export function outputUrlOf({ origin, id }: Prediction): string {
  return `${origin}/outputs/${id}.mp4`;
}
