import { newUuid } from '../new-uuid.ts';

const pattern = /^upload_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function newUploadId(): string {
  return `upload_${newUuid()}`;
}

/** Whether a text from outside has the form of an upload's id. It says nothing of whether the upload exists. */
export function isUploadId(text: string): boolean {
  return pattern.test(text);
}
