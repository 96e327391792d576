import { oneOf, type Field, type Model } from '../model.ts';

const promptText: Field = { type: 'string', charsMax: 1_000 };
const seed: Field = { type: 'integer', min: 0, max: 4_294_967_295 };
const duration: Field = { type: 'integer', min: 2, max: 10 };
const wideOrTall = ['1280:720', '720:1280'];
const ofPictures = [...wideOrTall, '1104:832', '960:960', '832:1104', '1584:672'];

const fields = { promptText, seed, duration };

/** By route and model, since it is the route that says what the model is to do. Prices are assumed. */
export const models: readonly Model[] = [
  {
    id: 'text_to_video/gen4.5',
    typicalSeconds: 90,
    required: ['promptText', 'ratio', 'duration'],
    fields: { ...fields, ratio: oneOf(...wideOrTall) },
    usdMicrosPerSecond: () => 120_000,
  },
  {
    id: 'image_to_video/gen4.5',
    typicalSeconds: 90,
    required: ['promptText', 'promptImage', 'ratio', 'duration'],
    fields: { ...fields, promptImage: { type: 'media' }, ratio: oneOf(...ofPictures) },
    usdMicrosPerSecond: () => 120_000,
  },
  {
    id: 'image_to_video/gen4_turbo',
    typicalSeconds: 40,
    required: ['promptImage', 'ratio', 'duration'],
    fields: { ...fields, promptImage: { type: 'media' }, ratio: oneOf(...ofPictures) },
    usdMicrosPerSecond: () => 50_000,
  },
];
