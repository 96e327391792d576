import { type PictureType, pictureTypes } from '../domain/picture.ts';

/** Whose picture it is. Both parts are ids of ours. */
export interface InputPlace {
  readonly tenant: string;
  readonly jobId: string;
}

/** Where a job's picture lies as it came. */
export function inputKey({ tenant, jobId }: InputPlace, type: PictureType): string {
  return `inputs/${tenant}/${jobId}.${extensions[type]}`;
}

/** Where it lies once it has been prepared for vendors, which is always as a JPEG. */
export function preparedKey({ tenant, jobId }: InputPlace): string {
  return `inputs/${tenant}/${jobId}-prepared.jpg`;
}

/**
 * Every place where a picture of the job may lie, and more than its row names: whoever dies between a write and its
 * note leaves an object behind, and nothing of a picture may outlive its time.
 */
export function inputKeysOf(place: InputPlace): readonly string[] {
  return [preparedKey(place), ...pictureTypes.map((type) => inputKey(place, type))];
}

/** Where a client PUTs a picture before there is a job for it. The extension is the type that was promised. */
export function uploadKey({ tenant, uploadId }: { tenant: string; uploadId: string }, type: PictureType): string {
  return `uploads/${tenant}/${uploadId}.${extensions[type]}`;
}

const extensions: Readonly<Record<PictureType, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
};
