import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { publishModels } from '../../src/catalogue/publish.ts';
import { bothProviders, onlyVendor, sample } from './sample.ts';

const find = (id: string, providers = onlyVendor) => {
  const model = publishModels(sample, providers).find((candidate) => candidate.id === id);
  if (model === undefined) throw new Error(`${id} is not published`);
  return model;
};

test('every model is told, in the catalogue`s order', () => {
  expect(publishModels(sample, onlyVendor).map(({ id, status }) => [id, status])).toEqual([
    ['swift', 'active'],
    ['grand', 'active'],
    ['lone', 'unavailable'],
    ['bygone', 'retired'],
    ['banned', 'retired'],
  ]);
});

const swift = {
  seconds: [5, 10],
  sizes: ['1280x720', '720x1280'],
  prompt_chars_max: 5_000,
  negative_prompt_chars_max: null,
  fields: ['seed'],
};

test('all of a model: the four fields of OpenAI`s list, what may be asked for, and each target with its sources', () => {
  expect(find('swift')).toEqual({
    id: 'swift',
    object: 'model',
    created: Date.UTC(2026, 10, 1) / 1_000,
    owned_by: 'somebody',
    status: 'active',
    retired: null,
    fallbacks: ['grand'],
    spill_after_seconds: null,
    inputs: ['text'],
    text: swift,
    image: null,
    targets: [
      {
        name: 'vendor/swift',
        provider: 'vendor',
        available: true,
        limits: { outstanding: 4, per_minute: null },
        text: { vendor_model: 'swift/text', ...swift },
        image: null,
        inputs: { source: 'price list', as_of: '2026-11-01', assumed: false },
        price_per_second: {
          currency: 'USD',
          values: { '1280x720': 0.41 },
          source: 'price list',
          as_of: '2026-11-01',
          assumed: false,
        },
        typical_seconds: { value: 30, source: null, as_of: null, assumed: true },
        longest_seconds: { value: 300, source: null, as_of: null, assumed: true },
        patience_seconds: { value: 90, source: null, as_of: null, assumed: true },
        callbacks: true,
        cancel: 'forgets',
        moderation: 'elsewhere',
      },
    ],
  });
});

test('what may be asked for is what the targets of this deployment allow together', () => {
  expect(find('grand').text).toEqual({
    seconds: [5, 8],
    sizes: ['1280x720', '1920x1080'],
    prompt_chars_max: 5_000,
    negative_prompt_chars_max: 2_500,
    fields: ['seed', 'negative_prompt', 'audio'],
  });
  expect(find('grand', bothProviders).text).toMatchObject({
    seconds: [2, 3, 4, 5, 8],
    sizes: ['1280x720', '1920x1080', '1024x1024'],
  });
  expect(find('grand').inputs).toEqual(['text', 'image']);
});

test('each target says by itself what it can make: together they allow what none of them may allow alone', () => {
  expect(find('grand', bothProviders).targets.map(({ name, text, image }) => ({ name, text, image }))).toEqual([
    {
      name: 'vendor/grand',
      text: {
        vendor_model: 'grand/text',
        seconds: [5, 8],
        sizes: ['1280x720', '1920x1080'],
        prompt_chars_max: 5_000,
        negative_prompt_chars_max: 2_500,
        fields: ['seed', 'negative_prompt', 'audio'],
      },
      image: expect.objectContaining({ vendor_model: 'grand/image', negative_prompt_chars_max: null, fields: [] }),
    },
    { name: 'vendor/grand-lite', text: null, image: expect.objectContaining({ vendor_model: 'lite/image' }) },
    {
      name: 'rival/grand',
      text: {
        vendor_model: 'grand',
        seconds: [2, 3, 4],
        sizes: ['1280x720', '1024x1024'],
        prompt_chars_max: 20,
        negative_prompt_chars_max: 5,
        fields: ['negative_prompt'],
      },
      image: null,
    },
  ]);
});

test('how long a job waits before it may go elsewhere is told, and that a target has no limits of its own', () => {
  expect(find('grand')).toMatchObject({ spill_after_seconds: 40, targets: [{ limits: null }, {}, {}] });
});

test('a target without a key is told as not available, and a model of such alone with what it could make', () => {
  const lone = find('lone');
  expect(lone).toMatchObject({
    inputs: ['text'],
    text: { seconds: [2, 3, 4], prompt_chars_max: 20 },
    targets: [{ name: 'rival/grand', available: false, callbacks: null, cancel: null }],
  });
  expect(find('lone', bothProviders)).toMatchObject({
    status: 'active',
    targets: [{ callbacks: false, cancel: 'stops' }],
  });
});

test('an unknown price is null, and no zero', () => {
  expect(find('grand').targets.find(({ name }) => name === 'vendor/grand-lite')?.price_per_second).toBeNull();
});

test('a retired model says since when, why, what becomes of a request for it and who serves it', () => {
  expect(find('bygone')).toMatchObject({
    retired: {
      since: '2026-09-24',
      why: 'its maker has switched it off',
      policy: 'redirect',
      seconds: null,
      sizes: { '1792x1024': ['1920x1080', '1280x720'], '9000x9000': ['8000x8000'] },
      source: 'its maker',
      as_of: '2026-11-01',
      assumed: false,
    },
    fallbacks: ['swift', 'grand'],
    inputs: [],
    text: null,
    image: null,
    targets: [],
  });
  expect(find('banned').retired?.policy).toBe('refuse');
});

test('of our own models every figure says where it is from, or that it was assumed', async () => {
  const catalogue = await loadCatalogue(join(import.meta.dirname, '../../models.yaml'));
  const models = publishModels(catalogue, bothProviders);
  for (const { targets } of models) {
    for (const { inputs, price_per_second, typical_seconds, longest_seconds, patience_seconds } of targets) {
      for (const figure of [inputs, price_per_second, typical_seconds, longest_seconds, patience_seconds]) {
        expect(figure?.assumed === true || (figure?.source !== null && figure?.as_of !== null)).toBe(true);
      }
    }
  }
});
