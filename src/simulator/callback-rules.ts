import type { Prediction } from './prediction.ts';

/** How a vendor tells its customers of an end. */
export interface CallbackRules {
  readonly retriesMax: number;
  /** Doubles with every retry, and is scaled with `timeScale`. */
  readonly firstRetryDelayMs: number;
  /** What is told in the prediction's present status; undefined where the vendor says nothing. */
  readonly bodyOf: (prediction: Prediction) => object | undefined;
  /** The signature and what belongs to it. Asked anew for every attempt. */
  readonly headersOf: (parts: SignedParts) => CallbackHeaders | Promise<CallbackHeaders>;
}

export type CallbackHeaders = Readonly<Record<string, string>>;

export interface SignedParts {
  /** The prediction's. */
  readonly id: string;
  /** Unix seconds. */
  readonly timestamp: string;
  readonly body: string;
  /** A forger's is another one: whatever key is derived from it differs too. */
  readonly secret: string;
}
