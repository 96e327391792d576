import { expect, test } from 'vitest';
import { findModel, oneOf, priceUsdMicros, secondsOf, type Inputs, type Model } from '../../src/simulator/model.ts';
import { validateInputs } from '../../src/simulator/validate-inputs.ts';
import { models } from '../../src/simulator/wavespeed/models.ts';

function complaint(id: string, inputs: Inputs) {
  const model = findModel(models, id);
  return model ? validateInputs(model, inputs) : 'no such model';
}

const image = 'https://example.com/cat.png';

test.each([
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', size: '1280*720', duration: 10, seed: 7, shot_type: 'single' }],
  ['alibaba/wan-2.6/image-to-video', { prompt: 'a cat', image, resolution: '720p', enable_prompt_expansion: false }],
  ['alibaba/wan-3.0/text-to-video', { prompt: 'a cat', duration: 30, aspect_ratio: '9:16' }],
  ['kwaivgi/kling-v2.5-turbo-pro/image-to-video', { image: 'data:image/png;base64,AAAA' }],
  ['kwaivgi/kling-v2.6-pro/text-to-video', { prompt: 'a cat', cfg_scale: 0.5, sound: true, unknown_field: 1 }],
])('%s takes what its page lists', (id, inputs) => {
  expect(complaint(id, inputs)).toBeUndefined();
});

test.each([
  ['alibaba/wan-2.6/text-to-video', {}, 'missing'],
  ['alibaba/wan-2.6/text-to-video', { prompt: '' }, 'missing'],
  ['alibaba/wan-2.6/image-to-video', { prompt: 'a cat' }, 'missing'],
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', size: '1280x720' }, 'invalid'],
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', duration: 7 }, 'invalid'],
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', duration: '5' }, 'invalid'],
  ['alibaba/wan-3.0/text-to-video', { prompt: 'a cat', duration: 31 }, 'invalid'],
  ['alibaba/wan-3.0/text-to-video', { prompt: 'a cat', duration: 2.5 }, 'invalid'],
  ['kwaivgi/kling-v2.6-pro/text-to-video', { prompt: 'a cat', sound: 'yes' }, 'invalid'],
  ['kwaivgi/kling-v2.6-pro/image-to-video', { prompt: 'a cat', image: 'cat.png' }, 'invalid'],
])('%s refuses %j', (id, inputs, kind) => {
  expect(complaint(id, inputs)).toMatchObject({ kind });
});

function priceUsd(id: string, inputs: Inputs) {
  const model = findModel(models, id);
  return model && priceUsdMicros(model, inputs) / 1e6;
}

test('prices follow seconds and resolution', () => {
  expect(priceUsd('alibaba/wan-2.6/text-to-video', { size: '1280*720' })).toBe(0.5);
  expect(priceUsd('alibaba/wan-2.6/text-to-video', { size: '1080*1920', duration: 10 })).toBe(1.5);
  expect(priceUsd('alibaba/wan-3.0/image-to-video', { resolution: '480p', duration: 2 })).toBe(0.1);
  expect(priceUsd('kwaivgi/kling-v2.5-turbo-pro/image-to-video', {})).toBe(0.35);
  expect(priceUsd('kwaivgi/kling-v2.6-pro/text-to-video', { sound: true })).toBe(0.7);
});

test('a duration may be one of several texts', () => {
  const model: Model = {
    id: 'kling',
    typicalSeconds: 1,
    required: [],
    fields: { duration: oneOf('5', '10') },
    usdMicrosPerSecond: () => 1,
  };
  expect(validateInputs(model, { duration: '10' })).toBeUndefined();
  expect(validateInputs(model, { duration: 10 })).toMatchObject({ kind: 'invalid', field: 'duration' });
  expect(priceUsdMicros(model, { duration: '10' })).toBe(10);
  expect([{ duration: '8s' }, { duration: 'long' }, {}].map(secondsOf)).toEqual([8, 5, 5]);
});
