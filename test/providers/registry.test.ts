import { expect, test } from 'vitest';

import { createProvider, isProviderKind } from '../../src/providers/registry.ts';

test('makes an adapter by its kind', () => {
  const provider = createProvider('wavespeed', { origin: 'https://api.vendor.example', apiKey: 'key' });
  expect(provider).toMatchObject({ name: 'wavespeed', cancelMeans: 'forgets' });
});

test.each(['sora', 'toString', '__proto__', ''])('has no adapter for %j', (kind) => {
  expect(isProviderKind(kind)).toBe(false);
  expect(isProviderKind('wavespeed')).toBe(true);
});
