import type { VideoRequest } from '../domain/video-request.ts';
import type { TargetMode } from './schema.ts';

/** What the attempt adds to the request: the picture's URL at the vendor, and our own seed where the caller set none. */
export interface AttemptInput {
  readonly imageUrl?: string;
  readonly seed: number | null;
}

/** The request in the vendor's words, as the target's mode has them. Pure; the plan has checked that it can be said. */
export function vendorInput(
  mode: TargetMode,
  request: Pick<VideoRequest, 'prompt' | 'seconds' | 'size' | 'negative_prompt' | 'audio' | 'seed'>,
  attempt: AttemptInput,
): Readonly<Record<string, unknown>> {
  const { prompt, seconds, size, negative_prompt, audio, seed } = request;
  const input: Record<string, unknown> = { ...mode.always, ...mode.sizes[size], [mode.prompt]: prompt };
  input[mode.seconds.field] = mode.seconds.as === 'string' ? String(seconds) : seconds;
  if (mode.image !== undefined) input[mode.image] = attempt.imageUrl;
  if (mode.negative_prompt !== undefined) input[mode.negative_prompt] = negative_prompt;
  if (mode.audio !== undefined) input[mode.audio] = audio;
  if (mode.seed !== undefined) input[mode.seed] = seed ?? attempt.seed;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined && value !== null));
}
