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
}

/**
 * `same`: the same target may be tried again. `elsewhere`: another target may succeed where this one did not.
 * `never`: the request itself is at fault, and no target will do better.
 */
export type RetryAdvice = 'same' | 'elsewhere' | 'never';

/** The closed set of causes. The classes and their evidence per vendor: the provider reference, section 12. */
export type FailureCode =
  | 'invalid_input'
  | 'moderation'
  | 'media_fetch'
  | 'auth'
  | 'no_credit'
  | 'rate_limited'
  | 'provider_unavailable'
  | 'provider_failed'
  | 'stopped_at_provider'
  | 'submit_unknown'
  | 'operation_missing'
  | 'output_unusable'
  | 'run_deadline'
  | 'queue_deadline'
  | 'no_target_left'
  | 'terminated'
  | 'cancelled';

const adviceOf: Readonly<Record<FailureCode, RetryAdvice>> = {
  invalid_input: 'never',
  moderation: 'never',
  media_fetch: 'never',
  auth: 'elsewhere',
  no_credit: 'elsewhere',
  rate_limited: 'same',
  provider_unavailable: 'same',
  provider_failed: 'same',
  stopped_at_provider: 'elsewhere',
  submit_unknown: 'elsewhere',
  operation_missing: 'elsewhere',
  output_unusable: 'elsewhere',
  run_deadline: 'never',
  queue_deadline: 'never',
  no_target_left: 'never',
  terminated: 'never',
  cancelled: 'never',
};

/** Makes a failure with the advice that goes with its code. `detail` may overrule it with the vendor's evidence. */
export function failureOf(code: FailureCode, detail: Partial<Omit<Failure, 'code'>> = {}): Failure {
  return { code, retry: adviceOf[code], ...detail };
}

/** One sentence for the caller, the same whoever the vendor was. */
export function sentenceOf(code: FailureCode): string {
  return sentences[code];
}

const sentences: Readonly<Record<FailureCode, string>> = {
  invalid_input: 'The provider refused the request as invalid. Change the prompt, the picture or the parameters.',
  moderation: 'The provider refused the request on its content policy. Change the prompt or the picture.',
  media_fetch: 'The provider could not read the input picture. Upload it again.',
  auth: 'No provider accepted our credentials. Ask the operator to check the provider keys.',
  no_credit: 'The provider account is out of credit. Ask the operator to top it up.',
  rate_limited: 'The provider refused for its rate limit until time ran out. Try again later.',
  provider_unavailable: 'The provider could not be reached until time ran out. Try again later.',
  provider_failed: 'Every target of the route failed to make the video. Try again, or choose another model.',
  stopped_at_provider: 'The job was stopped at the provider. Send it again if that was not intended.',
  submit_unknown: 'It is unknown whether the provider took the job, and it did not answer in time.',
  operation_missing: 'The provider no longer knows the job. Send it again.',
  output_unusable: 'The provider finished without a usable video. Send it again.',
  run_deadline: 'The video was not ready by the run deadline. Send it again, or choose a faster model.',
  queue_deadline: 'No capacity became free before queue_ttl_seconds ran out. Send it again with more time.',
  no_target_left: 'Every target of the route was tried. Send it again, or allow more fallbacks.',
  terminated: 'An operator ended the job. Send it again if that was not intended.',
  cancelled: 'The job was cancelled by its owner.',
};
