import { choice, oneOf, type Field, type Model } from '../model.ts';

const prompt: Field = { type: 'string', charsMax: 5_000 };
const text: Field = { type: 'string', charsMax: 5_000 };
const media: Field = { type: 'media' };
const flag: Field = { type: 'boolean' };
const seed: Field = { type: 'integer', min: -1, max: 2_147_483_647 };
const fraction: Field = { type: 'number', min: 0, max: 1 };
const common = { prompt, negative_prompt: text };

const wan26Sizes = ['1280*720', '720*1280', '1920*1080', '1080*1920'];
const wan25Sizes = ['832*480', '480*832', '624*624', ...wan26Sizes, '960*960', '1440*1440'];
const wan = { ...common, audio: media, enable_prompt_expansion: flag, seed };
const wan26 = { ...wan, duration: choice(5, 10, 15), shot_type: oneOf('single', 'multi') };
const wan30 = {
  prompt,
  resolution: oneOf('480p', '720p', '1080p'),
  aspect_ratio: oneOf('16:9', '9:16', '1:1', '4:3', '3:4'),
  duration: { type: 'integer', min: 2, max: 30 },
  enable_prompt_expansion: flag,
  generate_audio: flag,
  seed,
} as const;
const klingShape = { duration: choice(5, 10), aspect_ratio: oneOf('16:9', '9:16', '1:1') };
const kling25 = { ...common, ...klingShape, guidance_scale: fraction };
const kling26 = { ...common, ...klingShape, cfg_scale: fraction, sound: flag };

export const models: readonly Model[] = [
  textToVideo('alibaba/wan-2.6', 60, { ...wan26, size: oneOf(...wan26Sizes) }),
  imageToVideo('alibaba/wan-2.6', 60, { ...wan26, image: media, resolution: oneOf('720p', '1080p') }),
  textToVideo('alibaba/wan-2.5', 60, { ...wan, duration: choice(5, 10), size: oneOf(...wan25Sizes) }),
  textToVideo('alibaba/wan-3.0', 80, wan30),
  imageToVideo('alibaba/wan-3.0', 80, { ...wan30, image: media, last_image: media }),
  textToVideo('kwaivgi/kling-v2.5-turbo-pro', 90, kling25),
  // The one model here that takes a picture without a word.
  {
    ...imageToVideo('kwaivgi/kling-v2.5-turbo-pro', 90, { ...kling25, image: media, last_image: media }),
    required: ['image'],
  },
  textToVideo('kwaivgi/kling-v2.6-pro', 120, kling26),
  imageToVideo('kwaivgi/kling-v2.6-pro', 120, { ...kling26, image: media, end_image: media }),
];

function textToVideo(family: string, typicalSeconds: number, fields: Model['fields']): Model {
  const usdMicrosPerSecond = priceRule(family);
  return {
    id: `${family}/text-to-video`,
    typicalSeconds,
    required: ['prompt'],
    fields,
    usdMicrosPerSecond,
  };
}

function imageToVideo(family: string, typicalSeconds: number, fields: Model['fields']): Model {
  const usdMicrosPerSecond = priceRule(family);
  return {
    id: `${family}/image-to-video`,
    typicalSeconds,
    required: ['image', 'prompt'],
    fields,
    usdMicrosPerSecond,
  };
}

/** Wan 2.6 and Kling 2.5 are the published prices, Wan 3.0 another vendor's; the rest is assumed in proportion. */
function priceRule(family: string): Model['usdMicrosPerSecond'] {
  if (family === 'kwaivgi/kling-v2.5-turbo-pro') return () => 70_000;
  if (family === 'kwaivgi/kling-v2.6-pro') return ({ sound }) => (sound === false ? 70_000 : 140_000);
  const large = family === 'alibaba/wan-3.0' ? 200_000 : 150_000;
  return ({ size, resolution }) => {
    const wish = `${textOf(resolution)} ${textOf(size)}`;
    if (wish.includes('1080') || wish.includes('1440')) return large;
    return /480|624/.test(wish) ? 50_000 : 100_000;
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
