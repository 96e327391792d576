import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { applicationFailureOf, notYet } from '../../src/activities/application-failure.ts';
import { type Failure, failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';

describe('a failure in Temporal’s words', () => {
  test.each<{ failure: Failure; expected: object }>([
    {
      failure: failureOf('unreachable', { vendorCode: 'http_503' }),
      expected: { type: 'unreachable', message: 'unreachable: http_503', nonRetryable: false },
    },
    { failure: failureOf('provider_failed'), expected: { type: 'provider_failed', nonRetryable: false } },
    { failure: failureOf('output_expired'), expected: { type: 'output_expired', nonRetryable: true } },
    { failure: failureOf('output_expired', { retry: 'same' }), expected: { nonRetryable: false } },
    { failure: failureOf('moderation'), expected: { type: 'moderation', message: 'moderation', nonRetryable: true } },
    { failure: failureOf('auth'), expected: { nonRetryable: true } },
    {
      failure: failureOf('rate_limited', { retryAfterMs: 7_000 }),
      expected: { nonRetryable: false, nextRetryDelay: 7_000, category: 'BENIGN' },
    },
    {
      failure: failureOf('rate_limited', { retryAfterMs: 9e9 }),
      expected: { nextRetryDelay: limits.retryAfterMsMax },
    },
  ])('$failure.code, $failure.retry', ({ failure, expected }) => {
    const translated = applicationFailureOf(failure);
    expect(translated).toBeInstanceOf(ApplicationFailure);
    expect(translated).toMatchObject(expected);
  });

  test('says codes and carries nothing else', () => {
    const { details, cause, category } = applicationFailureOf(failureOf('unreachable', { vendorCode: 'http_500' }));
    expect([details ?? [], cause, category]).toEqual([[], undefined, undefined]);
  });
});

test('"not yet" is no failure, and says when to ask again', () => {
  const failure = notYet(1_500);
  expect(failure).toMatchObject({ type: 'NotYet', category: 'BENIGN', nonRetryable: false, nextRetryDelay: 1_500 });
});
