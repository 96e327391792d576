import { type Failure, failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';
import type { RouteTarget } from '../domain/route.ts';
import { ProviderUnreachableError, type StartOutcome } from '../providers/provider.ts';
import type { ActivityDeps } from './deps.ts';
import type { InputPicture } from './input-picture.ts';

/** The picture's URL at the vendor, or why there is none. Nothing has been ordered yet, so a failure is a refusal. */
export interface HandedOver {
  readonly url?: string;
  readonly refusal?: StartOutcome;
}

/** Trouble of our own store is thrown: another try may succeed. */
export async function handOver(deps: ActivityDeps, target: RouteTarget, picture: InputPicture): Promise<HandedOver> {
  if (picture.kind === 'none') return {};
  if (picture.kind === 'unusable') return refused(picture.failure);
  const { key, bytes } = picture;
  const provider = deps.providers.get(target.provider);
  if (!provider?.uploadImage) {
    if (deps.store.links) return { url: await deps.store.links.download(key, inputLink) };
    return refused(failureOf('media_fetch', { retry: 'elsewhere' }));
  }
  try {
    return { url: await provider.uploadImage({ bytes, contentType: 'image/jpeg' }) };
  } catch (error) {
    deps.log.warn({ err: error, image: key }, 'input picture could not be handed over');
    return refused(error instanceof ProviderUnreachableError ? error.failure : failureOf('media_fetch'));
  }
}

/** For a vendor that takes no uploads: it reads the picture when it begins, which may be a while. */
const inputLink = { secondsValid: limits.inputLinkSecondsValid, filename: 'input.jpg' };

function refused(failure: Failure): HandedOver {
  return { refusal: { kind: 'refused', failure } };
}
