import type { PictureType } from '../../domain/picture.ts';
import { limits } from '../../domain/limits/limits.ts';
import { findOwnUpload, type Upload } from '../../db/jobs/uploads.ts';
import type { ReadObject } from '../../storage/read-object.ts';
import type { ByteBudget } from './byte-budget.ts';
import { imageProblem, inspectImage } from './check-image.ts';
import type { DatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { fieldProblem, type Problem } from '../problems/problem.ts';
import { readAnswered } from '../store-wait.ts';
import { isUploadId } from './upload-id.ts';

/** A picture that lies in the store already. */
export interface UploadedImage {
  readonly key: string;
  readonly bytesPromised: number;
  readonly contentType: PictureType;
}

export interface UploadQuery {
  readonly tenant: string;
  readonly uploadId: string;
  readonly pointer: string;
  readonly wait: DatabaseWait;
}

export interface UploadDeps {
  readonly app: Pick<AppDeps, 'pool' | 'store'>;
  readonly budget: ByteBudget;
}

/** Finds what was uploaded and checks it like any other picture, by its beginning where that is enough. */
export async function findUploadedImage(deps: UploadDeps, query: UploadQuery): Promise<UploadedImage> {
  const { tenant, uploadId: id, pointer, wait } = query;
  const upload = isUploadId(id) ? await wait.answered(findOwnUpload(deps.app.pool, { id, tenant })) : undefined;
  if (upload === undefined)
    throw uploadNotFound(pointer, 'There is no such upload, or it has expired. Create another one.');
  const found = await wait.besides(inspectUpload(deps, upload));
  if (found === 'absent')
    throw uploadNotFound(pointer, 'Nothing was sent to this upload yet. PUT the picture to its URL first.');
  if (typeof found === 'string') throw imageProblem(found);
  return { key: upload.key, bytesPromised: upload.bytes, contentType: found.contentType };
}

export function uploadNotFound(pointer: string, message: string): Problem {
  return fieldProblem('upload_not_found', pointer, message);
}

async function inspectUpload({ app, budget }: UploadDeps, { key }: Upload) {
  const head = await read(app, key, limits.imageHeadBytesMax);
  if (head === undefined) return 'absent';
  if (head.bytes > limits.imageBytesMax) return 'too_large';
  const found = await inspectImage(head.content);
  if (found !== 'damaged' || head.content.length === head.bytes) return found;
  // WebP can't be read in part, and some cameras write megabytes before the picture's own header.
  const release = budget.take(head.bytes);
  try {
    const whole = await read(app, key, head.bytes);
    return whole === undefined ? 'absent' : await inspectImage(whole.content);
  } finally {
    release();
  }
}

async function read({ store }: Pick<AppDeps, 'store'>, key: string, bytes: number): Promise<ReadObject | undefined> {
  return await readAnswered(store, { key, range: { start: 0, end: bytes - 1 } });
}
