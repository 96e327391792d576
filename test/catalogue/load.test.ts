import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CatalogueError, catalogueWarnings, loadCatalogue, parseCatalogue } from '../../src/catalogue/load.ts';
import { limitsOfPreset } from '../../src/catalogue/schema.ts';
import { broken, sample, sampleText } from './sample.ts';

function complaint(text: string): string {
  try {
    parseCatalogue(text, 'models.yaml');
  } catch (error) {
    if (error instanceof CatalogueError) return error.message;
    throw error;
  }
  throw new Error('the catalogue was taken');
}

test('the sample is whole, with the defaults filled in', () => {
  expect(sample.models['grand']?.fallbacks).toEqual([]);
  expect(sample.targets['vendor/swift']).toMatchObject({ unknown_grace_seconds: 120, text: { always: {} } });
});

describe('our own models.yaml', () => {
  const path = join(import.meta.dirname, '../../models.yaml');

  test('can be loaded and gives no warning', async () => {
    const catalogue = await loadCatalogue(path);
    expect(catalogueWarnings(catalogue)).toEqual([]);
    expect(Object.keys(catalogue.models)).toContain('wan-2.6');
  });

  test('falls back from no model to itself', async () => {
    const { models } = await loadCatalogue(path);
    for (const [name, { fallbacks }] of Object.entries(models)) {
      expect(fallbacks).not.toContain(name);
    }
  });

  test('has a price for every size, a patience of a minute at least, and a longest time beyond patience', async () => {
    const { targets } = await loadCatalogue(path);
    for (const target of Object.values(targets)) {
      const sizes = [target.text, target.image].flatMap((mode) => Object.keys(mode?.sizes ?? {}));
      expect(Object.keys(target.price_per_second?.values ?? {})).toEqual(expect.arrayContaining(sizes));
      expect(target.patience_seconds).toBeGreaterThanOrEqual(60);
      expect(target.longest_seconds.value).toBeGreaterThan(target.patience_seconds);
    }
  });
});

describe('a fault is told with its line and its field', () => {
  test.each([
    { what: 'a wrong kind', line: 'kind: wavespeed', becomes: 'kind: pigeon', field: 'providers.vendor.kind' },
    {
      what: 'no URL',
      line: 'base_url: https://api.vendor.example',
      becomes: 'base_url: nowhere',
      field: 'providers.vendor.base_url',
    },
    {
      what: 'no number',
      line: 'patience_seconds: 90',
      becomes: 'patience_seconds: long',
      field: 'targets.vendor/swift.patience_seconds',
    },
    {
      what: 'a negative number',
      line: 'patience_seconds: 90',
      becomes: 'patience_seconds: -90',
      field: 'targets.vendor/swift.patience_seconds',
    },
    {
      what: 'a policy that is none',
      line: 'unknown: wait',
      becomes: 'unknown: pray',
      field: 'targets.vendor/grand-lite.unknown',
    },
    {
      what: 'a pool without outstanding',
      line: 'main: { outstanding: 10, per_minute: 60 }',
      becomes: 'main: { per_minute: 60 }',
      field: 'providers.vendor.pools.main',
    },
    {
      what: 'an unknown preset',
      line: 'main: { outstanding: 10, per_minute: 60 }',
      becomes: 'main: { preset: platinum }',
      field: 'providers.vendor.pools.main',
    },
    {
      what: 'a figure from nowhere',
      line: 'typical_seconds: { value: 30, assumed: true }',
      becomes: 'typical_seconds: { value: 30 }',
      field: 'targets.vendor/swift.typical_seconds',
    },
    {
      what: 'a source without its date',
      line: 'typical_seconds: { value: 30, assumed: true }',
      becomes: 'typical_seconds: { value: 30, source: hearsay }',
      field: 'targets.vendor/swift.typical_seconds',
    },
    { what: 'no target', line: 'targets: [vendor/swift]', becomes: 'targets: []', field: 'models.swift.targets' },
    {
      what: 'an odd size',
      line: "sizes: { 1280x720: { aspect: '16:9' }, 720x1280: { aspect: '9:16' } }",
      becomes: 'sizes: { large: {} }',
      field: 'targets.vendor/swift.text.sizes.large',
    },
    {
      what: 'a target that nobody knows',
      line: 'targets: [vendor/swift]',
      becomes: 'targets: [vendor/swft]',
      field: 'models.swift.targets.0: no target is called vendor/swft',
    },
    {
      what: 'a fallback that nobody knows',
      line: 'fallbacks: [grand]',
      becomes: 'fallbacks: [constructor]',
      field: 'models.swift.fallbacks.0: no model is called constructor',
    },
  ])('$what', ({ line, becomes, field }) => {
    const change = broken(line, becomes);
    expect(complaint(change.text)).toContain(`models.yaml:${change.line}: ${field}`);
  });

  test.each([
    { field: 'provider', line: 'provider: vendor', becomes: 'provider: nobody', says: 'no provider is called nobody' },
    {
      field: 'provider',
      line: 'provider: vendor',
      becomes: 'provider: toString',
      says: 'no provider is called toString',
    },
    { field: 'pool', line: 'pool: main', becomes: 'pool: deep', says: 'vendor has no pool deep' },
  ])('a dangling $field: $becomes', ({ field, line, becomes, says }) => {
    const change = broken(line, becomes);
    expect(complaint(change.text)).toBe(`models.yaml:${change.line}: targets.vendor/swift.${field}: ${says}`);
  });

  test('a field that is missing is told at its parent', () => {
    const change = broken('unknown: resubmit', '');
    const parent = sampleText.split('\n').indexOf('  vendor/swift:') + 1;
    expect(complaint(change.text)).toContain(`models.yaml:${parent + 1}: targets.vendor/swift.unknown`);
  });

  test('a field that nobody knows is told by name', () => {
    expect(complaint(broken('unknown: wait', 'unknown: wait\n    unkown_grace: 5').text)).toMatch(
      /^models\.yaml:\d+: targets\.vendor\/grand-lite: .*unkown_grace/,
    );
  });

  test('a target that takes neither text nor a picture', () => {
    const cut = sampleText.slice(0, sampleText.lastIndexOf('    image:\n'));
    expect(complaint(cut)).toMatch(/^models\.yaml:\d+: targets\.vendor\/grand-lite: needs text, image or both$/);
  });

  test('every fault at once', () => {
    const { text } = broken('kind: wavespeed', 'kind: pigeon');
    expect(complaint(text.replace('patience_seconds: 90', 'patience_seconds: 0')).split('\n')).toHaveLength(2);
  });

  test('YAML that is none, or empty, or twice the same', () => {
    expect(complaint('models: [')).toMatch(/^models\.yaml: .* at line 1/);
    expect(complaint('')).toMatch(/^models\.yaml/);
    expect(complaint(`${sampleText}models: {}\n`)).toContain('unique');
  });
});

test('patience below the typical duration is legal, and a warning', () => {
  const { text } = broken('patience_seconds: 90', 'patience_seconds: 20');
  expect(catalogueWarnings(parseCatalogue(text, 'models.yaml'))).toEqual([
    expect.stringContaining('vendor/swift: patience_seconds'),
  ]);
});

test('a catalogue that cannot be read is an error of the file', async () => {
  await expect(loadCatalogue(join(import.meta.dirname, 'nowhere.yaml'))).rejects.toThrow('ENOENT');
});

test.each([
  ['bronze', { outstanding: 3, per_minute: 5 }],
  ['silver', { outstanding: 100, per_minute: 60 }],
  ['gold', { outstanding: 2_000, per_minute: 600 }],
  ['ultra', { outstanding: 5_000, per_minute: 5_000 }],
] as const)('the preset %s is the account level of the vendor', (preset, limits) => {
  expect(limitsOfPreset(preset)).toEqual(limits);
});
