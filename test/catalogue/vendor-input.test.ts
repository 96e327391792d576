import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import type { TargetMode } from '../../src/catalogue/schema.ts';
import { vendorInput } from '../../src/catalogue/vendor-input.ts';
import type { VideoRequest } from '../../src/domain/video-request.ts';
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
  readonly image: object;
}

/** What each target of models.yaml is sent for the same request of everything it can express. */
const rows: Readonly<Record<string, Row>> = {
  'wavespeed/wan-2.6': {
    text: {
      enable_prompt_expansion: false,
      prompt: 'a heron',
      size: '720*1280',
      duration: 5,
      negative_prompt: 'rain',
      seed: 7,
    },
    image: {
      enable_prompt_expansion: false,
      prompt: 'a heron',
      resolution: '720p',
      duration: 5,
      image: imageUrl,
      negative_prompt: 'rain',
      seed: 7,
    },
  },
  'wavespeed/wan-3.0': {
    text: {
      enable_prompt_expansion: false,
      prompt: 'a heron',
      resolution: '720p',
      aspect_ratio: '9:16',
      duration: 5,
      generate_audio: true,
      seed: 7,
    },
    image: {
      enable_prompt_expansion: false,
      prompt: 'a heron',
      resolution: '720p',
      aspect_ratio: '9:16',
      duration: 5,
      image: imageUrl,
      generate_audio: true,
      seed: 7,
    },
  },
  'wavespeed/kling-2.5-turbo': {
    text: { prompt: 'a heron', aspect_ratio: '9:16', duration: 5, negative_prompt: 'rain' },
    image: { prompt: 'a heron', duration: 5, image: imageUrl, negative_prompt: 'rain' },
  },
  'wavespeed/kling-2.6': {
    text: { prompt: 'a heron', aspect_ratio: '9:16', duration: 5, negative_prompt: 'rain', sound: true },
    image: { prompt: 'a heron', duration: 5, image: imageUrl, negative_prompt: 'rain', sound: true },
  },
};

test('the table has every target of models.yaml', () => {
  expect(Object.keys(rows).toSorted()).toEqual(Object.keys(catalogue.targets).toSorted());
});

describe.each(Object.entries(rows))('%s', (name, expected) => {
  const target = catalogue.targets[name];
  const modes = [
    { kind: 'text', mode: target?.text, expected: expected.text, picture: {} },
    { kind: 'image', mode: target?.image, expected: expected.image, picture: { imageUrl } },
  ] as const;

  test.each(modes)('$kind', ({ mode, expected, picture }) => {
    expect(mode && vendorInput(mode, everything, { seed: 99, ...picture })).toEqual(expected);
  });

  test.each(modes)('$kind says every size that it allows', ({ mode }) => {
    for (const size of Object.keys(mode?.sizes ?? {})) {
      const input = mode && vendorInput(mode, { ...request, size }, { seed: null });
      expect(input).toMatchObject(mode?.sizes[size] ?? {});
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
