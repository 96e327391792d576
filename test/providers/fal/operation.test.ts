import { describe, expect, test } from 'vitest';

import { isEndpointId, operationOf, pathOf, requestIdOf } from '../../../src/providers/fal/operation.ts';

const model = 'fal-ai/kling-video/v2.6/pro/text-to-video';
const base = 'https://queue.vendor.example';

describe('the path is built as the official client does', () => {
  test.each([
    [model, '/fal-ai/kling-video/requests/req-1'],
    ['wan/v2.6/text-to-video', '/wan/v2.6/requests/req-1'],
    ['fal-ai/veo3.1', '/fal-ai/veo3.1/requests/req-1'],
    ['workflows/owner/alias', '/workflows/owner/alias/requests/req-1'],
    ['workflows/owner/alias/sub/path', '/workflows/owner/alias/requests/req-1'],
    ['comfy/owner/alias/sub', '/comfy/owner/alias/requests/req-1'],
  ])('%s', (endpoint, path) => {
    expect(isEndpointId(endpoint)).toBe(true);
    expect(pathOf({ operation: 'req-1', model: endpoint })).toBe(path);
  });
});

describe('the operation', () => {
  const built = '/fal-ai/kling-video/requests/req-1/status';

  test.each([
    ['no URL', undefined],
    ['the built one', `${base}${built}`],
    ['the built one with a query', `${base}${built}?logs=1`],
    ['another origin', `https://evil.example/other/requests/req-1/status`],
    ['another port', `${base}:8443/other/requests/req-1/status`],
    ['another scheme', 'http://queue.vendor.example/other/requests/req-1/status'],
    ['credentials', 'https://user:word@queue.vendor.example/other/requests/req-1/status'],
    ['another request', `${base}/other/requests/req-2/status`],
    ['no status at the end', `${base}/other/requests/req-1/state`],
    ['a doubled slash', `${base}//evil.example/requests/req-1/status`],
    ['an escape', `${base}/a%2fb/requests/req-1/status`],
    ['an at', `${base}/a@b/requests/req-1/status`],
    ['no URL at all', 'status'],
    ['far too long', `${base}/${'a/'.repeat(200)}req-1/status`],
  ])('is the id alone for %s', (_name, statusUrl) => {
    expect(operationOf({ requestId: 'req-1', statusUrl }, { model, baseUrl: base })).toBe('req-1');
  });

  test.each([
    [base, `${base}/fal-ai/kling-video/v2.6/requests/req-1/status`, 'fal-ai/kling-video/v2.6/requests/req-1'],
    [`${base}/`, `${base}/queue/req-1/status?logs=1`, 'queue/req-1'],
    ['http://host:1/fal', 'http://host:1/fal/queue/req-1/status', 'queue/req-1'],
    ['http://host:1/fal/', 'http://host:1/fal/queue/req-1/status', 'queue/req-1'],
  ])('keeps another path below %s', (baseUrl, statusUrl, path) => {
    const operation = operationOf({ requestId: 'req-1', statusUrl }, { model, baseUrl });
    expect(operation).toBe(`req-1@${path}`);
    expect([requestIdOf(operation), pathOf({ operation, model })]).toEqual(['req-1', `/${path}`]);
  });

  test.each([
    ['a neighbour', 'http://host:1/falsified/queue/req-1/status'],
    ['dots', 'http://host:1/fal/../queue/req-1/status'],
    ['encoded dots', 'http://host:1/fal/%2e%2e/queue/req-1/status'],
    ['backslashes', 'http://host:1\\queue\\req-1\\status'],
    ['the base itself', 'http://host:1/fal/status'],
  ])('is the id alone for what leaves a base with a path: %s', (_name, statusUrl) => {
    expect(operationOf({ requestId: 'req-1', statusUrl }, { model, baseUrl: 'http://host:1/fal' })).toBe('req-1');
  });

  test.each(['../balance', '..', 'a/b', 'a?b', '', 'req-1@', 'req-1@../x', 'req-1@a//b', 'req-1@a@b', '@a/b'])(
    'an operation %j is never put into a path',
    (operation) => {
      expect(() => pathOf({ operation, model })).toThrow('assertion failed');
    },
  );

  test.each(['no-alias', 'workflows/owner', 'comfy', 'a/../b'])('an endpoint %j has no path', (endpoint) => {
    expect(isEndpointId(endpoint)).toBe(false);
    expect(() => pathOf({ operation: 'req-1', model: endpoint })).toThrow('assertion failed');
  });
});
