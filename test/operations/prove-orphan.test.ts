import { expect, test } from 'vitest';
import { failureOf } from '../../src/domain/failure.ts';
import { proveOrphan } from '../../src/operations/prove-orphan.ts';
import { type Progress, ProviderUnreachableError, type VideoProvider } from '../../src/providers/provider.ts';
import { createProvider } from '../../src/providers/registry.ts';

const orphan = { provider: 'vendor', operation: 'op-1', model: 'maker/model' };
const base = createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey: 'any' });
const vendor = (check: VideoProvider['check']): ReadonlyMap<string, VideoProvider> =>
  new Map([['vendor', { ...base, check }]]);
const missing: Progress = {
  kind: 'failed',
  failure: failureOf('provider_failed', { vendorCode: 'operation_missing' }),
};

test('what the vendor has under our key is ours, whatever became of it', async () => {
  const asked: unknown[] = [];
  const running = vendor(async (question) => {
    asked.push(question);
    return { kind: 'running' };
  });
  expect(await proveOrphan(running, orphan)).toBe('known');
  expect(asked).toEqual([{ operation: 'op-1', model: 'maker/model' }]);
  const failed = vendor(async () => ({ kind: 'failed', failure: failureOf('provider_failed') }));
  expect(await proveOrphan(failed, orphan)).toBe('known');
});

test('what the vendor does not have under our key is somebody else’s', async () => {
  expect(
    await proveOrphan(
      vendor(async () => missing),
      orphan,
    ),
  ).toBe('unknown');
});

test('what nobody can be asked about stays as it is', async () => {
  const silent = vendor(async () => {
    throw new ProviderUnreachableError(failureOf('unreachable'));
  });
  expect(await proveOrphan(silent, orphan)).toBe('unasked');
  expect(await proveOrphan(new Map(), orphan)).toBe('unasked');
  expect(await proveOrphan(silent, { ...orphan, model: null })).toBe('unasked');
});
