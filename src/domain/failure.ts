import type { Dimension } from './learned-limit.ts';

/**
 * An operating error as data. It is decided once, where the vendor's answer is read, and says what it permits.
 * It carries codes and never a vendor's words: a failure ends up in Temporal histories, and vendors echo prompts.
 */
export interface Failure {
  readonly code: FailureCode;
  readonly retry: RetryAdvice;
  /** The vendor's own code or HTTP status, such as `1403` or `http_503`. Never free text. */
  readonly vendorCode?: string;
  /** Milliseconds that the vendor asked us to wait before we come back. */
  readonly retryAfterMs?: number;
  /** Which limit a `rate_limited` refusal was about. Absent: the vendor did not say; to be taken for its rate. */
  readonly limit?: Dimension;
}

/**
 * `same`: the same target may be tried again. `elsewhere`: another target may succeed where this one did not.
 * `never`: the request itself is at fault and no target will do better, or nothing more is to be bought for it.
 */
export type RetryAdvice = 'same' | 'elsewhere' | 'never';

/**
 * What can become of an attempt. The classes and their evidence per vendor: the provider reference, section 12.
 *
 * - `invalid_input` the vendor says that the request is malformed or out of range
 * - `moderation` the vendor refused it on its content policy
 * - `media_fetch` the input picture could not be read, by the vendor or by us
 * - `auth` our credentials were refused
 * - `no_credit` the account has run dry
 * - `rate_limited` certain that nothing was created: too much at once
 * - `unreachable` certain that nothing was created: there was no connection. Not one of the reference's classes: it is no
 *   word of the vendor's as `rate_limited` is, which stays in line and alarms nobody, nor did anybody fail at the video
 * - `ambiguous_submit` the POST may have created a job, and its answer was lost
 * - `provider_failed` the vendor took the job and did not make the video
 * - `timed_out` a deadline passed, the vendor's or our own
 * - `output_expired` the video was made, and its file is gone or was never usable
 */
export type AttemptFailureCode =
  | 'invalid_input'
  | 'moderation'
  | 'media_fetch'
  | 'auth'
  | 'no_credit'
  | 'rate_limited'
  | 'unreachable'
  | 'ambiguous_submit'
  | 'provider_failed'
  | 'timed_out'
  | 'output_expired';

/** What can end a job beside its attempts. */
export type JobFailureCode = 'queue_deadline' | 'no_target_left' | 'terminated' | 'cancelled';

/** The closed set of causes. */
export type FailureCode = AttemptFailureCode | JobFailureCode;

/** Whether something that was read from outside names one. */
export function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(meanings, value);
}

interface Meaning {
  /** What the code permits, unless the vendor's evidence or the catalogue says otherwise. */
  readonly retry: RetryAdvice;
  /** One sentence for the caller, the same whoever the vendor was. */
  readonly sentence: string;
}

const meanings: Readonly<Record<FailureCode, Meaning>> = {
  invalid_input: {
    retry: 'never',
    sentence: 'The provider refused the request as invalid. Change the prompt, the picture or the parameters.',
  },
  moderation: {
    retry: 'never',
    sentence: 'The provider refused the request on its content policy. Change the prompt or the picture.',
  },
  media_fetch: { retry: 'never', sentence: 'The input picture could not be read. Upload it again.' },
  auth: {
    retry: 'elsewhere',
    sentence: 'No provider accepted our credentials. Ask the operator to check the provider keys.',
  },
  no_credit: {
    retry: 'elsewhere',
    sentence: 'The provider account is out of credit. Ask the operator to top it up.',
  },
  rate_limited: {
    retry: 'same',
    sentence: 'The provider refused for its rate limit until time ran out. Try again later.',
  },
  unreachable: {
    retry: 'same',
    sentence: 'The provider could not be reached until time ran out. Try again later.',
  },
  ambiguous_submit: {
    retry: 'elsewhere',
    sentence: 'It is unknown whether the provider took the job, and it did not answer in time.',
  },
  provider_failed: {
    retry: 'same',
    sentence: 'Every target of the route failed to make the video. Try again, or choose another model.',
  },
  timed_out: {
    retry: 'elsewhere',
    sentence: 'The video was not ready in time. Send it again, or choose a faster model.',
  },
  output_expired: {
    retry: 'elsewhere',
    sentence: 'The provider made the video, but its file was gone before it could be kept. Send it again.',
  },
  queue_deadline: {
    retry: 'never',
    sentence: 'No capacity became free before queue_ttl_seconds ran out. Send it again with more time.',
  },
  no_target_left: {
    retry: 'never',
    sentence: 'Every target of the route was tried. Send it again, or allow more fallbacks.',
  },
  terminated: {
    retry: 'never',
    sentence: 'An operator ended the job. Send it again if that was not intended.',
  },
  cancelled: { retry: 'never', sentence: 'The job was cancelled by its owner.' },
};

/** Makes a failure with the advice that goes with its code. `detail` may overrule it with the vendor's evidence. */
export function failureOf(code: FailureCode, detail: Partial<Omit<Failure, 'code'>> = {}): Failure {
  return { code, retry: meanings[code].retry, ...detail };
}

/** One sentence for the caller, the same whoever the vendor was. */
export function sentenceOf(code: FailureCode): string {
  return meanings[code].sentence;
}
