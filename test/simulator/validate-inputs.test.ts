import { expect, test } from 'vitest';
import { findModel, priceUsdMicros, type Inputs } from '../../src/simulator/catalogue.ts';
import { validateInputs } from '../../src/simulator/validate-inputs.ts';

function complaint(id: string, inputs: Inputs) {
  const model = findModel(id);
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
  ['alibaba/wan-2.6/text-to-video', {}, 1400],
  ['alibaba/wan-2.6/text-to-video', { prompt: '' }, 1400],
  ['alibaba/wan-2.6/image-to-video', { prompt: 'a cat' }, 1400],
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', size: '1280x720' }, 1401],
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', duration: 7 }, 1401],
  ['alibaba/wan-2.6/text-to-video', { prompt: 'a cat', duration: '5' }, 1401],
  ['alibaba/wan-3.0/text-to-video', { prompt: 'a cat', duration: 31 }, 1401],
  ['alibaba/wan-3.0/text-to-video', { prompt: 'a cat', duration: 2.5 }, 1401],
  ['kwaivgi/kling-v2.6-pro/text-to-video', { prompt: 'a cat', sound: 'yes' }, 1401],
  ['kwaivgi/kling-v2.6-pro/image-to-video', { prompt: 'a cat', image: 'cat.png' }, 1401],
])('%s refuses %j', (id, inputs, errorCode) => {
  expect(complaint(id, inputs)).toMatchObject({ errorCode });
});

function priceUsd(id: string, inputs: Inputs) {
  const model = findModel(id);
  return model && priceUsdMicros(model, inputs) / 1e6;
}

test('prices follow seconds and resolution', () => {
  expect(priceUsd('alibaba/wan-2.6/text-to-video', { size: '1280*720' })).toBe(0.5);
  expect(priceUsd('alibaba/wan-2.6/text-to-video', { size: '1080*1920', duration: 10 })).toBe(1.5);
  expect(priceUsd('alibaba/wan-3.0/image-to-video', { resolution: '480p', duration: 2 })).toBe(0.1);
  expect(priceUsd('kwaivgi/kling-v2.5-turbo-pro/image-to-video', {})).toBe(0.35);
  expect(priceUsd('kwaivgi/kling-v2.6-pro/text-to-video', { sound: true })).toBe(0.7);
});
