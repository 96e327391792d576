import { describe, expect, test } from 'vitest';

import { failureOfEvidence, isTelling } from '../../../src/providers/fal/failures.ts';

describe('a request that failed, by its type', () => {
  test.each([
    ['content_policy_violation', 'moderation', 'never'],
    ['file_download_error', 'media_fetch', 'never'],
    ['image_load_error', 'media_fetch', 'never'],
    ['feature_not_supported', 'invalid_input', 'elsewhere'],
    ['bad_request', 'invalid_input', 'never'],
    ['internal_server_error', 'provider_failed', 'same'],
    ['downstream_service_unavailable', 'provider_failed', 'same'],
    ['downstream_service_error', 'provider_failed', 'elsewhere'],
    ['no_media_generated', 'provider_failed', 'elsewhere'],
    ['generation_timeout', 'timed_out', 'elsewhere'],
    ['request_timeout', 'timed_out', 'elsewhere'],
    ['startup_timeout', 'timed_out', 'elsewhere'],
    ['runner_scheduling_failure', 'provider_failed', 'elsewhere'],
    ['runner_connection_timeout', 'provider_failed', 'elsewhere'],
    ['runner_disconnected', 'provider_failed', 'elsewhere'],
    ['runner_connection_refused', 'provider_failed', 'elsewhere'],
    ['runner_connection_error', 'provider_failed', 'elsewhere'],
    ['runner_incomplete_response', 'provider_failed', 'same'],
    ['runner_server_error', 'provider_failed', 'same'],
    ['internal_error', 'provider_failed', 'same'],
    ['client_disconnected', 'provider_failed', 'elsewhere'],
    ['client_cancelled', 'provider_failed', 'elsewhere'],
  ])('%s is %s, %s', (type, code, retry) => {
    expect(isTelling({ types: [type] })).toBe(true);
    expect(failureOfEvidence({ types: [type], status: 422 })).toEqual({ code, retry, vendorCode: type });
  });

  test.each(['toString', '__proto__', 'brand_new_type'])('nobody knows %s', (type) => {
    expect(isTelling({ types: [type] })).toBe(false);
    expect(failureOfEvidence({ types: [type] })).toEqual({ code: 'provider_failed', retry: 'same', vendorCode: type });
  });
});

describe('by its status, where no type is known', () => {
  test.each([
    [undefined, 'provider_failed', 'same'],
    [400, 'invalid_input', 'never'],
    [413, 'invalid_input', 'never'],
    [422, 'invalid_input', 'never'],
    [403, 'provider_failed', 'elsewhere'],
    [429, 'provider_failed', 'elsewhere'],
    [302, 'provider_failed', 'elsewhere'],
    [408, 'timed_out', 'elsewhere'],
    [500, 'provider_failed', 'same'],
    [503, 'provider_failed', 'same'],
    [504, 'timed_out', 'elsewhere'],
  ])('%s is %s, %s', (status, ...[code, retry]) => {
    const failure = failureOfEvidence({ status, types: [] });
    expect(failure).toEqual({ code, retry, ...(status && { vendorCode: `http_${status}` }) });
  });

  test('the type is named all the same', () => {
    const failure = failureOfEvidence({ status: 422, types: ['greater_than'] });
    expect(failure).toEqual({ code: 'invalid_input', retry: 'never', vendorCode: 'greater_than' });
  });
});

describe('of several types', () => {
  test.each([
    [['missing', 'content_policy_violation'], 'moderation', 'content_policy_violation'],
    [['internal_error', 'content_policy_violation'], 'moderation', 'content_policy_violation'],
    [['missing', 'file_download_error'], 'media_fetch', 'file_download_error'],
    [['missing', 'less_than'], 'invalid_input', 'missing'],
  ])('%j is %s', (types, ...[code, vendorCode]) => {
    expect(failureOfEvidence({ types, status: 422 })).toMatchObject({ code, vendorCode });
  });
});

describe("the vendor's own advice", () => {
  test.each([
    ['internal_server_error', true, 'same'],
    ['internal_server_error', false, 'elsewhere'],
    ['runner_disconnected', true, 'same'],
    ['file_download_error', true, 'same'],
    ['file_download_error', false, 'never'],
    ['content_policy_violation', true, 'never'],
    ['bad_request', true, 'never'],
    ['request_timeout', true, 'elsewhere'],
  ])('%s, retryable %s: %s', (type, retryable, retry) => {
    expect(failureOfEvidence({ types: [type], retryable })).toMatchObject({ retry });
  });
});
