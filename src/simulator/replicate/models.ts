import { createHash } from 'node:crypto';
import { choice, oneOf, type Field, type Inputs, type Model } from '../model.ts';

const text: Field = { type: 'string', charsMax: 5_000 };
const media: Field = { type: 'media' };
const flag: Field = { type: 'boolean' };
const seed: Field = { type: 'integer', min: 0, max: 2_147_483_647 };
const shapes = oneOf('16:9', '9:16', '1:1');
const common = { prompt: text, negative_prompt: text };

const wan26 = {
  ...common,
  duration: choice(5, 10, 15),
  multi_shots: flag,
  enable_prompt_expansion: flag,
  audio: media,
  seed,
};
const wan3 = {
  ...common,
  resolution: oneOf('480p', '720p', '1080p'),
  aspect_ratio: oneOf('16:9', '9:16', '1:1', '4:3', '3:4'),
  duration: { type: 'integer', min: 2, max: 30 },
  enable_prompt_expansion: flag,
  seed,
} as const;
const kling25 = { ...common, start_image: media, image: media, duration: choice(5, 10), aspect_ratio: shapes };
const kling26 = { ...common, start_image: media, duration: choice(5, 10), aspect_ratio: shapes, generate_audio: flag };

const sizes = oneOf('1280*720', '720*1280', '1920*1080', '1080*1920');
const resolutions = oneOf('720p', '1080p');

/** A picture goes to the same Kling that takes none; Wan 2.6 is two models. Only some prices are published. */
const official: readonly Model[] = [
  model('wan-video/wan-2.6-t2v', 60, { ...wan26, size: sizes }),
  {
    ...model('wan-video/wan-2.6-i2v', 60, { ...wan26, image: media, resolution: resolutions }),
    required: ['image', 'prompt'],
  },
  model('alibaba/wan-3', 80, wan3),
  model('kwaivgi/kling-v2.5-turbo-pro', 90, kling25),
  model('kwaivgi/kling-v2.6', 120, kling26),
];

/** Each can be ordered by its name alone, or with its version. */
export const models: readonly Model[] = official.flatMap((one) => [one, { ...one, id: `${one.id}:${versionOf(one)}` }]);

/** The model's id for a `version` in any of its three forms; an id that no model has where there is none. */
export function modelIdOf(version: string): string {
  return models.find(({ id }) => id === version || id.endsWith(`:${version}`))?.id ?? version;
}

function model(id: string, typicalSeconds: number, fields: Model['fields']): Model {
  return { id, typicalSeconds, required: ['prompt'], fields, usdMicrosPerSecond: priceRule(id) };
}

function versionOf({ id }: Model): string {
  return createHash('sha256').update(id).digest('hex');
}

function priceRule(id: string): Model['usdMicrosPerSecond'] {
  if (id === 'kwaivgi/kling-v2.5-turbo-pro') return () => 70_000;
  if (id === 'kwaivgi/kling-v2.6') return ({ generate_audio }) => (generate_audio === false ? 70_000 : 140_000);
  const [low, middle, high] = id === 'alibaba/wan-3' ? [50_000, 100_000, 200_000] : [100_000, 100_000, 150_000];
  return (inputs) => {
    const wish = sizeIn(inputs);
    if (wish.includes('1080')) return high;
    return wish.includes('480') ? low : middle;
  };
}

function sizeIn({ size, resolution }: Inputs): string {
  return [size, resolution].filter((value) => typeof value === 'string').join(' ');
}
