import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CatalogueError, catalogueWarnings, loadCatalogue, parseCatalogue } from '../../src/catalogue/load.ts';
import { limitsOfPool } from '../../src/catalogue/pools.ts';
import { withDurationsScaled } from '../../src/catalogue/schema.ts';
import { isProviderKind } from '../../src/providers/registry.ts';
import { broken, sample, sampleText } from './sample.ts';

function complaint(text: string): string {
  try {
    parseCatalogue(text, { path: 'models.yaml', isProviderKind });
  } catch (error) {
    if (error instanceof CatalogueError) return error.message;
    throw error;
  }
  throw new Error('the catalogue was taken');
}

test('the sample is whole, with the defaults filled in', () => {
  expect(sample.models['grand']?.fallbacks).toEqual([]);
  expect(sample.providers['vendor']).toMatchObject({ other_urls: {} });
  expect(sample.targets['vendor/swift']).toMatchObject({
    unknown_grace_seconds: 120,
    text: { prompt: 'prompt', seconds: { as: 'number' }, always: {} },
  });
  expect(sample.targets['vendor/grand']?.moderation).toBe('never');
  expect(sample.targets['rival/grand']?.text?.seconds.allowed).toEqual([2, 3, 4]);
});

describe('our own models.yaml', () => {
  const path = join(import.meta.dirname, '../../models.yaml');

  test('can be loaded and gives no warning', async () => {
    const catalogue = await loadCatalogue(path);
    expect(catalogueWarnings(catalogue)).toEqual([]);
    expect(Object.keys(catalogue.models)).toContain('wan-2.6');
  });

  test('names no provider that has no adapter', async () => {
    await expect(loadCatalogue(path, isProviderKind)).resolves.toBeDefined();
  });

  test('asks the vendors in one order, WaveSpeed first', async () => {
    const { models } = await loadCatalogue(path);
    const order = ['wavespeed', 'fal', 'replicate', 'runway'];
    for (const { targets } of Object.values(models)) {
      const places = targets.map((target) => order.indexOf(target.split('/')[0] ?? ''));
      expect(places).toEqual(places.toSorted((left, right) => left - right));
    }
  });

  test('has the older names of OpenAI redirected to models that make their lengths', async () => {
    const { models } = await loadCatalogue(path);
    expect(models['sora-2']).toMatchObject({ targets: [], retired: { since: '2026-09-24', policy: 'redirect' } });
  });

  test('says of every model that can rewrite a prompt that it shall not', async () => {
    const { targets } = await loadCatalogue(path);
    const wan = Object.entries(targets).filter(([name]) => name.includes('wan'));
    const modes = wan.flatMap(([, { text, image }]) => [text, image]).filter((mode) => mode !== undefined);
    expect(modes).toHaveLength(9);
    expect(modes.filter(({ always }) => always['enable_prompt_expansion'] !== false)).toEqual([]);
  });

  test('has a price for every size, a patience of a minute at least, and a longest time beyond patience', async () => {
    const { targets } = await loadCatalogue(path);
    for (const target of Object.values(targets)) {
      const sizes = [target.text, target.image].flatMap((mode) => Object.keys(mode?.sizes ?? {}));
      expect(Object.keys(target.price_per_second?.values ?? {})).toEqual(expect.arrayContaining(sizes));
      expect(target.patience_seconds.value).toBeGreaterThanOrEqual(60);
      expect(target.longest_seconds.value).toBeGreaterThan(target.patience_seconds.value);
    }
  });
});

test('a catalogue for a vendor that is simulated faster has all of its durations scaled', () => {
  const { models, targets } = withDurationsScaled(sample, 0.1);
  expect(models['grand']).toMatchObject({ spill_after_seconds: 4 });
  expect(models['swift']).toEqual(sample.models['swift']);
  expect(targets['vendor/grand']).toMatchObject({
    typical_seconds: { value: 6 },
    longest_seconds: { value: 90 },
    patience_seconds: { value: 12 },
    unknown_grace_seconds: 4.5,
  });
});

describe('a fault is told with its line and its field', () => {
  test.each([
    {
      what: 'a kind without an adapter',
      line: 'kind: wavespeed',
      becomes: 'kind: pigeon',
      field: 'providers.vendor.kind: there is no adapter called pigeon',
    },
    {
      what: 'no URL',
      line: 'base_url: https://api.vendor.example',
      becomes: 'base_url: nowhere',
      field: 'providers.vendor.base_url',
    },
    {
      what: 'no number',
      line: 'patience_seconds: { value: 90, assumed: true }',
      becomes: 'patience_seconds: { value: long, assumed: true }',
      field: 'targets.vendor/swift.patience_seconds',
    },
    {
      what: 'a negative number',
      line: 'patience_seconds: { value: 90, assumed: true }',
      becomes: 'patience_seconds: { value: -90, assumed: true }',
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
      what: 'limits of a target that limit nothing',
      line: 'limits: { outstanding: 4 }',
      becomes: 'limits: {}',
      field: 'targets.vendor/swift.limits: needs outstanding, per_minute or both',
    },
    {
      what: 'a spill into the past',
      line: 'spill_after_seconds: 40',
      becomes: 'spill_after_seconds: -40',
      field: 'models.grand.spill_after_seconds',
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
    {
      what: 'no target',
      line: 'targets: [vendor/swift]',
      becomes: 'targets: []',
      field: 'models.swift.targets: an active model needs a target',
    },
    {
      what: 'a retirement from nowhere',
      line: 'retired: { since: 2026-10-01, why: nobody may have it, policy: refuse, assumed: true }',
      becomes: 'retired: { since: 2026-10-01, why: nobody may have it, policy: refuse }',
      field: 'models.banned.retired: needs source',
    },
    {
      what: 'a redirection to a retired model',
      line: 'fallbacks: [swift, grand]',
      becomes: 'fallbacks: [swift, banned]',
      field: 'models.bygone.fallbacks.1: banned is retired',
    },
    {
      what: 'a redirection to nowhere',
      line: 'fallbacks: [swift, grand]',
      becomes: 'fallbacks: []',
      field: 'models.bygone.fallbacks: a model that redirects needs',
    },
    {
      what: 'a fallback to itself',
      line: 'fallbacks: [grand]',
      becomes: 'fallbacks: [swift]',
      field: 'models.swift.fallbacks.0: a model is no fallback of its own',
    },
    {
      what: 'a size in the place of another that is none',
      line: 'sizes: { 1792x1024: [1920x1080, 1280x720], 9000x9000: [8000x8000] }',
      becomes: 'sizes: { 1792x1024: [large] }',
      field: 'models.bygone.retired.sizes.1792x1024.0',
    },
    {
      what: 'a key that is no variable',
      line: 'key_variable: VENDOR_KEY',
      becomes: 'key_variable: sk-1234',
      field: 'providers.vendor.key_variable: has to be the name',
    },
    {
      what: 'another place that is no URL',
      line: 'other_urls: { files: https://files.rival.example }',
      becomes: 'other_urls: { files: ftp://files.rival.example }',
      field: 'providers.rival.other_urls.files: has to be an http(s) URL',
    },
    {
      what: 'a pool that two providers have',
      line: 'side: { preset: silver }',
      becomes: 'main: { preset: silver }',
      field: 'providers.rival.pools.main: vendor has a pool of this name',
    },
    {
      what: 'a moderation policy that is none',
      line: 'moderation: elsewhere',
      becomes: 'moderation: sometimes',
      field: 'targets.vendor/swift.moderation',
    },
    {
      what: 'inputs from nowhere',
      line: 'inputs: { source: price list, as_of: 2026-11-01 }',
      becomes: 'inputs: { source: price list }',
      field: 'targets.vendor/swift.inputs',
    },
    {
      what: 'a range that ends before it begins',
      line: 'seconds: { field: length, allowed: { from: 2, to: 4 }, as: string }',
      becomes: 'seconds: { field: length, allowed: { from: 5, to: 4 }, as: string }',
      field: 'targets.rival/grand.text.seconds.allowed',
    },
    {
      what: 'a range without end',
      line: 'seconds: { field: length, allowed: { from: 2, to: 4 }, as: string }',
      becomes: 'seconds: { field: length, allowed: { from: 2, to: 100000 }, as: string }',
      field: 'targets.rival/grand.text.seconds.allowed',
    },
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

  test('a picture where it is not wanted, and none where it is', () => {
    expect(complaint(broken('prompt: words', 'image: words').text)).toMatch(
      /^models\.yaml:\d+: targets\.rival\/grand\.text\.image: a picture belongs into image/,
    );
    expect(complaint(broken('image: picture', '').text)).toMatch(
      /^models\.yaml:\d+: targets\.vendor\/grand\.image: needs image/,
    );
  });

  test('every fault at once', () => {
    const { text } = broken('unknown: wait', 'unknown: pray');
    expect(
      complaint(text.replace('patience_seconds: { value: 90,', 'patience_seconds: { value: 0,')).split('\n'),
    ).toHaveLength(2);
  });

  test('YAML that is none, or empty, or twice the same', () => {
    expect(complaint('models: [')).toMatch(/^models\.yaml: .* at line 1/);
    expect(complaint('')).toMatch(/^models\.yaml/);
    expect(complaint(`${sampleText}models: {}\n`)).toContain('unique');
  });
});

test('patience below the typical duration is legal, and a warning', () => {
  const { text } = broken(
    'patience_seconds: { value: 90, assumed: true }',
    'patience_seconds: { value: 20, assumed: true }',
  );
  expect(catalogueWarnings(parseCatalogue(text, { path: 'models.yaml' }))).toEqual([
    expect.stringContaining('vendor/swift: patience_seconds'),
  ]);
});

test('a catalogue that cannot be read is an error of the file', async () => {
  await expect(loadCatalogue(join(import.meta.dirname, 'nowhere.yaml'))).rejects.toThrow('ENOENT');
});

describe('what a pool allows', () => {
  test.each([
    ['bronze', { outstanding: 3, per_minute: 5 }],
    ['silver', { outstanding: 100, per_minute: 60 }],
    ['gold', { outstanding: 2_000, per_minute: 600 }],
    ['ultra', { outstanding: 5_000, per_minute: 5_000 }],
  ] as const)('of the preset %s is the account level of the vendor', (preset, limits) => {
    expect(limitsOfPool({ preset })).toEqual(limits);
    expect(limitsOfPool({ preset: 'bronze' }, preset)).toEqual(limits);
  });

  test('of figures are the figures, whatever the level', () => {
    expect(limitsOfPool({ outstanding: 7, per_minute: 8 }, 'ultra')).toEqual({ outstanding: 7, per_minute: 8 });
  });
});
