import type { TargetMode } from './schema.ts';
import { vendorInput } from './vendor-input.ts';

/** One of the things that can be ordered of a target, and how it is said there. */
export interface PossibleInput {
  readonly size: string;
  readonly seconds: number;
  /** Whether every optional field is given, or none. */
  readonly full: boolean;
  readonly input: Readonly<Record<string, unknown>>;
}

const sampleImageUrl = 'https://example.com/picture.jpg';
const sampleRequest = { prompt: 'a paper boat on a river of light' };
const sampleOptions = { negative_prompt: 'rain', seed: 7, audio: true };

/** Every size and length of a target, with and without all that is optional: what to check a vendor's schema against. */
export function everyInput(mode: TargetMode): readonly PossibleInput[] {
  const picture = mode.image === undefined ? {} : { imageUrl: sampleImageUrl };
  return Object.keys(mode.sizes).flatMap((size) =>
    mode.seconds.allowed.flatMap((seconds) =>
      [false, true].map((full) => {
        const request = { ...sampleRequest, ...(full && sampleOptions), size, seconds };
        return { size, seconds, full, input: vendorInput(mode, request, { seed: null, ...picture }) };
      }),
    ),
  );
}
