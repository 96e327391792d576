import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import type { TargetMode } from '../../src/catalogue/schema.ts';
import { everyInput } from '../../src/catalogue/every-input.ts';
import { vendorInput } from '../../src/catalogue/vendor-input.ts';
import type { VideoRequest } from '../../src/domain/video-request.ts';
import { findModel } from '../../src/simulator/model.ts';
import { validateInputs } from '../../src/simulator/validate-inputs.ts';
import { vendors } from '../../src/simulator/vendors.ts';
import { sample } from './sample.ts';

const catalogue = await loadCatalogue(join(import.meta.dirname, '../../models.yaml'));

const request: VideoRequest = {
  prompt: 'a heron',
  model: 'any',
  seconds: 5,
  size: '720x1280',
  priority: 'normal',
};
const everything: VideoRequest = {
  ...request,
  negative_prompt: 'rain',
  seed: 7,
  audio: true,
  user: 'u1',
  metadata: { order: '9' },
};
const imageUrl = 'https://vendor.example/picture.png';

interface Row {
  readonly text: object;
  /** Absent: the target takes no picture. */
  readonly image?: object;
}

const negative_prompt = 'rain';
const wan = { enable_prompt_expansion: false, prompt: 'a heron', seed: 7 };
const kling = { prompt: 'a heron', negative_prompt };
const shape = { resolution: '720p', aspect_ratio: '9:16' };
const tall = { aspect_ratio: '9:16' };
const runway = { promptText: 'a heron', ratio: '720:1280', duration: 5, seed: 7 };

/** What each target of models.yaml is sent for the same request of everything it can express. */
const rows: Readonly<Record<string, Row>> = {
  'wavespeed/wan-2.6': {
    text: { ...wan, negative_prompt, size: '720*1280', duration: 5 },
    image: { ...wan, negative_prompt, resolution: '720p', duration: 5, image: imageUrl },
  },
  'fal/wan-2.6': {
    text: { ...wan, negative_prompt, ...shape, duration: '5' },
    image: { ...wan, negative_prompt, resolution: '720p', duration: '5', image_url: imageUrl },
  },
  'replicate/wan-2.6': {
    text: { ...wan, negative_prompt, size: '720*1280', duration: 5 },
    image: { ...wan, negative_prompt, resolution: '720p', duration: 5, image: imageUrl },
  },
  'wavespeed/wan-3.0': {
    text: { ...wan, ...shape, duration: 5, generate_audio: true },
    image: { ...wan, ...shape, duration: 5, generate_audio: true, image: imageUrl },
  },
  'replicate/wan-3.0': { text: { ...wan, negative_prompt, ...shape, duration: 5 } },
  'wavespeed/kling-2.5-turbo': {
    text: { ...kling, ...tall, duration: 5 },
    image: { ...kling, duration: 5, image: imageUrl },
  },
  'fal/kling-2.5-turbo': {
    text: { ...kling, ...tall, duration: '5' },
    image: { ...kling, duration: '5', image_url: imageUrl },
  },
  'replicate/kling-2.5-turbo': {
    text: { ...kling, ...tall, duration: 5 },
    image: { ...kling, duration: 5, start_image: imageUrl },
  },
  'wavespeed/kling-2.6': {
    text: { ...kling, ...tall, duration: 5, sound: true },
    image: { ...kling, duration: 5, sound: true, image: imageUrl },
  },
  'fal/kling-2.6': {
    text: { ...kling, ...tall, duration: '5', generate_audio: true },
    image: { ...kling, duration: '5', generate_audio: true, start_image_url: imageUrl },
  },
  'replicate/kling-2.6': {
    text: { ...kling, ...tall, duration: 5, generate_audio: true },
    image: { ...kling, duration: 5, generate_audio: true, start_image: imageUrl },
  },
  'runway/gen-4.5': { text: runway, image: { ...runway, promptImage: imageUrl } },
};

test('the table has every target of models.yaml', () => {
  expect(Object.keys(rows).toSorted()).toEqual(Object.keys(catalogue.targets).toSorted());
});

interface Case {
  readonly name: string;
  readonly mode: TargetMode | undefined;
  readonly expected: object | undefined;
  readonly picture: { readonly imageUrl?: string };
}

const cases: readonly Case[] = Object.entries(rows).flatMap(([name, expected]) => {
  const target = catalogue.targets[name];
  return [
    { name: `${name} from text`, mode: target?.text, expected: expected.text, picture: {} },
    { name: `${name} from a picture`, mode: target?.image, expected: expected.image, picture: { imageUrl } },
  ];
});

test.each(cases)('$name', ({ mode, expected, picture }) => {
  expect(mode && vendorInput(mode, everything, { seed: 99, ...picture })).toEqual(expected);
});

test.each(cases)('$name: nothing that the caller has not given', ({ mode, picture }) => {
  const said = Object.keys(mode === undefined ? {} : vendorInput(mode, request, { seed: null, ...picture }));
  for (const field of [mode?.negative_prompt, mode?.audio, mode?.seed]) {
    expect(said).not.toContain(field);
  }
});

describe('the simulator, which is as strict as its vendors` documents, takes everything that we can say', () => {
  const modes = Object.entries(catalogue.targets).flatMap(([name, { provider, text, image }]) =>
    [text, image].flatMap((mode) => (mode === undefined ? [] : [{ name, provider, mode }])),
  );

  test.each(modes)('$name: $mode.model', ({ provider, mode }) => {
    const models = vendors.find((vendor) => vendor.name === provider)?.models ?? [];
    const model = findModel(models, mode.model);
    if (model === undefined) throw new Error(`${provider} has no model ${mode.model}`);
    const inputs = everyInput(mode);
    expect(inputs).toHaveLength(Object.keys(mode.sizes).length * mode.seconds.allowed.length * 2);
    for (const { input } of inputs) {
      expect(validateInputs(model, input)).toBeUndefined();
      // What it does not know it would ignore, and the caller would wonder.
      expect(Object.keys(model.fields)).toEqual(expect.arrayContaining(Object.keys(input)));
    }
  });
});

const grand = sample.targets['vendor/grand']?.text;
if (grand === undefined) throw new Error('the sample has changed');
const mode: TargetMode = grand;

test('our own seed is sent where the caller has set none, and only then', () => {
  expect(vendorInput(mode, request, { seed: 99 })).toHaveProperty('noise', 99);
  expect(vendorInput(mode, { ...request, seed: 0 }, { seed: 99 })).toHaveProperty('noise', 0);
  expect(vendorInput(mode, request, { seed: null })).not.toHaveProperty('noise');
});

test('what the caller left out is not sent at all', () => {
  const input = vendorInput(mode, { ...request, size: '1280x720' }, { seed: null });
  expect(input).toEqual({ prompt: 'a heron', seconds: 5, size: '1280*720', expand: false });
});

test('false is an answer, and is sent', () => {
  expect(vendorInput(mode, { ...request, audio: false }, { seed: null })).toHaveProperty('sound', false);
});

test('nothing of the caller but the wishes goes to the vendor', () => {
  const input = JSON.stringify(vendorInput(mode, everything, { seed: 1 }));
  expect(input).not.toContain('u1');
  expect(input).not.toContain('order');
});

test('a length is a number or a text, as its vendor wants it', () => {
  const asText = sample.targets['rival/grand']?.text;
  if (asText === undefined) throw new Error('the sample has changed');
  expect(vendorInput(asText, { ...request, seconds: 3, size: '1280x720' }, { seed: null })).toEqual({
    words: 'a heron',
    length: '3',
  });
});
