import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { adapterOf, createProvider, isProviderKind } from '../../src/providers/registry.ts';

const settings = {
  baseUrl: 'https://api.vendor.example',
  otherUrls: { rest: 'https://rest.vendor.example' },
  apiKey: 'key',
};
const folders = readdirSync(join(import.meta.dirname, '../../src/providers'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test('makes an adapter by its kind', () => {
  const provider = createProvider('wavespeed', settings);
  expect(provider).toMatchObject({ name: 'wavespeed', cancelMeans: 'forgets' });
});

describe.each(folders)('the folder %s', (kind) => {
  test('has a line in the registry, and its adapter goes by its name', () => {
    expect(isProviderKind(kind)).toBe(true);
    expect(adapterOf(kind).create(settings).name).toBe(kind);
  });

  test('reads callbacks if and only if its line says what proves them', () => {
    const { create, callbacks } = adapterOf(kind);
    expect('readCallback' in create(settings)).toBe(callbacks !== 'none');
  });
});

test.each(['sora', 'toString', '__proto__', ''])('has no adapter for %j', (kind) => {
  expect(isProviderKind(kind)).toBe(false);
  expect(() => adapterOf(kind)).toThrow('has no adapter');
});
