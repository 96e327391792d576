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
  request: VideoRequest,
  attempt: AttemptInput,
): Readonly<Record<string, unknown>> {
  const input: Record<string, unknown> = { ...mode.always, prompt: request.prompt, ...mode.sizes[request.size] };
  input[mode.seconds.field] = request.seconds;
  if (mode.image !== undefined) input[mode.image] = attempt.imageUrl;
  if (mode.negative_prompt !== undefined) input[mode.negative_prompt] = request.negative_prompt;
  if (mode.audio !== undefined) input[mode.audio] = request.audio;
  if (mode.seed !== undefined) input[mode.seed] = request.seed ?? attempt.seed;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined && value !== null));
}
