import { isSafeSegment } from '../wire-values.ts';

/** A model id of ours in the vendor's parts: `owner/name`, and the version where the id pins one. */
export interface ModelParts {
  readonly owner: string;
  readonly name: string;
  readonly version: string | undefined;
}

/** `undefined` when the id is neither `owner/name` nor `owner/name:<64 hex digits>`. */
export function partsOf(model: string): ModelParts | undefined {
  const [, owner = '', name = '', version] = /^([^/:]+)\/([^/:]+)(?::([0-9a-f]{64}))?$/.exec(model) ?? [];
  return isSafeSegment(owner) && isSafeSegment(name) ? { owner, name, version } : undefined;
}
