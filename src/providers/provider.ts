import type { Failure } from '../domain/failure.ts';

/**
 * The port: what Spillway needs of a vendor of video models. An adapter knows HTTP and its vendor, never Temporal or
 * Postgres, and never another adapter. Optional verbs are the capability flags: absent means the vendor cannot.
 */
export interface VideoProvider {
  /** The adapter's name, as in the catalogue's `kind` and in callback URLs. */
  readonly name: string;
  /**
   * What a stop at the vendor does. `stops`: the work ends and so does its cost. `forgets`: the vendor drops the
   * record while the work, its cost and its slot go on, so it is never called on a running job. `none`: no such call.
   */
  readonly cancelMeans: 'stops' | 'forgets' | 'none';

  /**
   * Sends one paid order: exactly one HTTP attempt, never retried here. `refused` is proof that nothing was created
   * (an explicit 4xx other than 408 and 499, or no connection); anything else that is no acceptance is `unknown`.
   */
  start(order: StartOrder): Promise<StartOutcome>;

  /** Asks for an operation's state. Throws `ProviderUnreachableError` when there was no readable answer. */
  check(handle: OperationHandle): Promise<Progress>;

  /**
   * Stops or forgets an operation, best effort, as `cancelMeans` says. `true` when the vendor took our word for it, which
   * is not yet its end: a check says that.
   */
  cancel?(handle: OperationHandle): Promise<boolean>;

  /**
   * Deletes what the vendor keeps of an operation that has ended: its record and its outputs. Never called on one that may
   * still be under way. Resolves once the vendor says that there is nothing left of it, or that there was nothing. Throws
   * `ProviderUnreachableError` when it said neither. Absent: the vendor has no such call.
   */
  erase?(handle: OperationHandle): Promise<void>;

  /**
   * Reads one delivery to our callback route: raw bytes, before any parser. A vendor that signs with a published key may
   * have to be asked for it; when it can't be had, the delivery is `unsigned`.
   */
  readCallback?(delivery: CallbackDelivery): Promise<CallbackReading>;

  /** Lists the vendor's operations that carry our correlation key, to adopt the one of an ambiguous submit. */
  find?(query: FindQuery): Promise<readonly FoundOperation[]>;

  /** Hands an input picture to the vendor and returns the URL to pass as input. */
  uploadImage?(image: InputImage): Promise<string>;
}

/** An operation as the ledger has it: the vendor's id for it, and the model id that it was ordered from. */
export interface OperationHandle {
  readonly operation: string;
  readonly model: string;
}

export interface StartOrder {
  /** The vendor's model id, for example `alibaba/wan-2.6/text-to-video`. */
  readonly model: string;
  /** The model's inputs under the vendor's own names, mapped by the catalogue. */
  readonly input: Readonly<Record<string, unknown>>;
  /** One unguessable URL per attempt. Absent: the vendor is polled only. */
  readonly callbackUrl?: string;
  /**
   * Milliseconds after which nobody here waits for the operation any more. Told to the vendor where it has a way to
   * hear it, so that an orphan stops costing money.
   */
  readonly deadlineMs?: number;
}

export type StartOutcome =
  | { readonly kind: 'accepted'; readonly operation: string }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'unknown'; readonly failure: Failure };

/** What is known of an operation. `queued` and `running` are not final; the other two are. */
export type Progress =
  | { readonly kind: 'queued' }
  | { readonly kind: 'running' }
  | { readonly kind: 'finished'; readonly video: RemoteVideo }
  | { readonly kind: 'failed'; readonly failure: Failure };

export type FinalProgress = Extract<Progress, { kind: 'finished' | 'failed' }>;

/** What a final word proves of the attempt, as the ledger writes it down. */
export function endOf(
  progress: FinalProgress,
):
  | { readonly outcome: 'finished'; readonly videoUrl: string }
  | { readonly outcome: 'failed'; readonly failure: Failure } {
  return progress.kind === 'finished'
    ? { outcome: 'finished', videoUrl: progress.video.url }
    : { outcome: 'failed', failure: progress.failure };
}

/** A finished video as the vendor serves it: `url` is hostile input until it has been checked. */
export interface RemoteVideo {
  readonly url: string;
}

export interface CallbackDelivery {
  /** Lower-cased header names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly rawBody: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * `report`: signed by the vendor, so it may be trusted. `unsigned`: readable but unproven: ask the vendor instead.
 * `forged`: its signature is wrong. `unreadable`: signed or not, it says nothing that we understand.
 */
export type CallbackReading =
  | { readonly kind: 'report'; readonly operation: string; readonly progress: Progress }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'forged'; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly reason: string };

export interface FindQuery {
  readonly model: string;
  /** Our own seed of the attempt, the correlation key. */
  readonly seed: number;
  /** Milliseconds since the epoch: nothing older can be ours. */
  readonly createdAfter: number;
  /** Nor anything newer. Once it is past, nothing new comes into the list, so that it can be read to its end. */
  readonly createdBefore: number;
}

export interface FoundOperation {
  readonly operation: string;
}

export interface InputImage {
  readonly bytes: Uint8Array;
  readonly contentType: 'image/jpeg' | 'image/png' | 'image/webp';
}

/** There was no readable answer to a question that costs nothing: ask again later. */
export class ProviderUnreachableError extends Error {
  override name = 'ProviderUnreachableError';
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(`provider unreachable: ${failure.vendorCode ?? failure.code}`, options);
    this.failure = failure;
  }
}
