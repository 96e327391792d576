import { oneOf, type Field, type Inputs, type Model } from '../model.ts';

const text: Field = { type: 'string', charsMax: 5_000 };
const wanPrompt: Field = { type: 'string', charsMax: 1_500 };
const wanNegativePrompt: Field = { type: 'string', charsMax: 500 };
const media: Field = { type: 'media' };
const flag: Field = { type: 'boolean' };
const seed: Field = { type: 'integer', min: 0, max: 2_147_483_647 };
const common = { prompt: text, negative_prompt: text };

// A duration is a text here, and a number is refused.
const wan = {
  prompt: wanPrompt,
  negative_prompt: wanNegativePrompt,
  resolution: oneOf('720p', '1080p'),
  duration: oneOf('5', '10', '15'),
  enable_prompt_expansion: flag,
  enable_safety_checker: flag,
  multi_shots: flag,
  audio_url: media,
  seed,
};
const kling = { ...common, duration: oneOf('5', '10') };
const weighed = { cfg_scale: { type: 'number', min: 0, max: 1 } } as const;
const shaped = { aspect_ratio: oneOf('16:9', '9:16', '1:1') };
const sounding = { generate_audio: flag };

export const models: readonly Model[] = [
  textToVideo('wan/v2.6', { ...wan, aspect_ratio: oneOf('16:9', '9:16', '1:1', '4:3', '3:4') }),
  imageToVideo('wan/v2.6', 'image_url', wan),
  textToVideo('fal-ai/kling-video/v2.5-turbo/pro', { ...kling, ...weighed, ...shaped }),
  imageToVideo('fal-ai/kling-video/v2.5-turbo/pro', 'image_url', { ...kling, ...weighed, tail_image_url: media }),
  textToVideo('fal-ai/kling-video/v2.6/pro', { ...kling, ...weighed, ...shaped, ...sounding }),
  imageToVideo('fal-ai/kling-video/v2.6/pro', 'start_image_url', { ...kling, ...sounding, end_image_url: media }),
];

function textToVideo(family: string, fields: Model['fields']): Model {
  return { id: `${family}/text-to-video`, required: ['prompt'], fields, ...temperOf(family) };
}

function imageToVideo(family: string, image: string, fields: Model['fields']): Model {
  const withImage = { ...fields, [image]: media };
  return { id: `${family}/image-to-video`, required: [image, 'prompt'], fields: withImage, ...temperOf(family) };
}

/** Assumed throughout: the same as at WaveSpeed. */
function temperOf(family: string): Pick<Model, 'typicalSeconds' | 'usdMicrosPerSecond'> {
  if (family.startsWith('wan/')) return { typicalSeconds: 60, usdMicrosPerSecond: wanPrice };
  if (family.includes('v2.5')) return { typicalSeconds: 90, usdMicrosPerSecond: () => 70_000 };
  return {
    typicalSeconds: 120,
    usdMicrosPerSecond: ({ generate_audio: sound }) => (sound === false ? 70_000 : 140_000),
  };
}

/** The larger one is what an order gets that says nothing. */
function wanPrice({ resolution }: Inputs): number {
  return resolution === '720p' ? 100_000 : 150_000;
}
