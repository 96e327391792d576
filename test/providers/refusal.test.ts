import { describe, expect, test } from 'vitest';

import { failureOf } from '../../src/domain/failure.ts';
import {
  endOfQuestion,
  failureOfStatus,
  limitByWords,
  outcomeOfRefusal,
  speaksOfCredit,
} from '../../src/providers/refusal.ts';

describe('a status without better evidence', () => {
  test.each([
    [400, 'invalid_input', 'never'],
    [401, 'auth', 'elsewhere'],
    [402, 'no_credit', 'elsewhere'],
    [403, 'auth', 'elsewhere'],
    [404, 'invalid_input', 'elsewhere'],
    [405, 'invalid_input', 'elsewhere'],
    [410, 'invalid_input', 'elsewhere'],
    [413, 'invalid_input', 'never'],
    [415, 'invalid_input', 'never'],
    [422, 'invalid_input', 'never'],
    [429, 'rate_limited', 'same'],
    [418, 'provider_failed', 'elsewhere'],
  ])('%d is %s, %s', (status, code, retry) => {
    expect(failureOfStatus({ status, retryAfterMs: undefined })).toEqual({ code, retry, vendorCode: `http_${status}` });
  });

  test('only too much at once has to wait', () => {
    expect(failureOfStatus({ status: 429, retryAfterMs: 3_000 })).toMatchObject({ retryAfterMs: 3_000 });
    expect(failureOfStatus({ status: 401, retryAfterMs: 3_000 })).not.toHaveProperty('retryAfterMs');
  });

  test('only too much at once is about a limit', () => {
    expect(failureOfStatus({ status: 429, limit: 'outstanding' })).toMatchObject({ limit: 'outstanding' });
    expect(failureOfStatus({ status: 429 })).not.toHaveProperty('limit');
    expect(failureOfStatus({ status: 422, limit: 'rate' })).not.toHaveProperty('limit');
  });
});

describe('a paid order', () => {
  const failure = failureOf('invalid_input');

  test.each([400, 401, 404, 429, 451])('%d is proof of nothing made', (status) => {
    expect(outcomeOfRefusal({ status }, failure)).toEqual({ kind: 'refused', failure });
  });

  test.each([200, 308, 408, 499, 500, 503])('%d is none', (status) => {
    const unknown = { code: 'ambiguous_submit', retry: 'elsewhere', vendorCode: `http_${status}` };
    expect(outcomeOfRefusal({ status }, failure)).toEqual({ kind: 'unknown', failure: unknown });
  });
});

describe('a question', () => {
  test.each([
    [401, failureOf('auth'), 'auth'],
    [402, failureOf('no_credit'), 'no_credit'],
    [429, failureOf('rate_limited'), 'rate_limited'],
    // To ask can't be the fault of the request that is asked about.
    [400, failureOf('invalid_input'), 'unreachable'],
    [404, failureOf('invalid_input'), 'unreachable'],
    [422, failureOf('moderation'), 'unreachable'],
    // No word of the account, whatever it looks like.
    [503, failureOf('rate_limited'), 'unreachable'],
    [200, failureOf('auth'), 'unreachable'],
  ])('that %d was the answer to', (status, failure, code) => {
    expect(endOfQuestion({ status }, failure)).toMatchObject({ name: 'ProviderUnreachableError', failure: { code } });
  });

  test('waits for a vendor that is out of order as long as that asks', () => {
    const error = endOfQuestion({ status: 503, retryAfterMs: 9_000 }, failureOf('provider_failed'));
    expect(error.failure).toEqual({
      code: 'unreachable',
      retry: 'same',
      vendorCode: 'http_503',
      retryAfterMs: 9_000,
    });
  });
});

test.each([
  ['Insufficient balance', true],
  ['please top-up', true],
  ['You do not have enough credits.', true],
  ['a credible imbalance', false],
  ['', false],
])('%j speaks of credit: %s', (message, expected) => {
  expect(speaksOfCredit(message)).toBe(expected);
});

test.each([
  ['concurrent task limit exceeded: 3 tasks', 'outstanding'],
  ['Too many concurrent requests', 'outstanding'],
  ['You have reached your concurrency limit.', 'outstanding'],
  ['rate limit exceeded: 5 videos per minute', 'rate'],
  ['Rate limit exceeded', 'rate'],
  ['at most 10 requests per second', 'rate'],
  // Advice on both names neither.
  ['Wait a minute, or reduce concurrent requests.', undefined],
  ['Too Many Requests', undefined],
  ['We celebrate moderation', undefined],
  ['', undefined],
])('%j is about %s', (message, limit) => {
  expect(limitByWords(message)).toBe(limit);
});
