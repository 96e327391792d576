import type { Inputs } from './catalogue.ts';
import type { Fault } from './fault.ts';

export type Ending =
  | { readonly kind: 'completed' }
  | { readonly kind: 'failed'; readonly code: number; readonly message: string }
  | { readonly kind: 'timeout' };

type PredictionStatus = 'created' | 'processing' | Ending['kind'];

export interface Prediction {
  readonly id: string;
  readonly model: string;
  readonly input: Inputs;
  readonly webhook?: string;
  /** Where the submitter found us, so that its URLs work from where it stands. */
  readonly origin: string;
  readonly faults: readonly Fault[];
  readonly priceUsdMicros: number;
  readonly createdAtMs: number;
  readonly status: PredictionStatus;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly ending?: Ending;
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
  return { ...started(prediction, nowMs), status: ending.kind, ending, endedAtMs: nowMs };
}
