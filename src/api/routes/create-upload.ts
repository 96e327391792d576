import type { Request, RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import { uploadKey } from '../../storage/input-keys.ts';
import type { UploadLink } from '../../storage/object-store.ts';
import { callerOf } from '../auth/caller.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { jsonFieldsOf } from '../input/read-body.ts';
import { parseUploadWish, type UploadWish } from '../schemas.ts';
import { storeAnswered } from '../store-wait.ts';
import { newUploadId } from '../input/upload-id.ts';
import type { UploadKeeper } from '../input/upload-keeper.ts';
import type { UploadSigner } from '../input/upload-signer.ts';

export interface CreateUploadDeps {
  readonly app: Pick<AppDeps, 'store' | 'clock' | 'publicUrl'>;
  readonly keeper: UploadKeeper;
  readonly signer: UploadSigner;
}

/** `POST /v1/uploads`: promises a place for one picture, and says where to PUT it and until when. */
export function createUpload(deps: CreateUploadDeps): RequestHandler {
  return async (request, response) => {
    const wish = parseUploadWish(jsonFieldsOf(request));
    const id = newUploadId();
    const { tenant } = callerOf(request);
    const key = uploadKey({ tenant, uploadId: id }, wish.content_type);
    const expires = Math.floor(deps.app.clock() / 1_000) + limits.uploadLinkSecondsValid;
    const link = await linkOf(deps, request, { id, key, expires, wish });
    await deps.keeper.keep({
      id,
      tenant,
      key,
      bytes: wish.bytes,
      secondsKept: limits.uploadSecondsKept,
    });
    response
      .status(201)
      .set('cache-control', 'no-store')
      .json({ id, object: 'upload', method: 'PUT', ...link, expires_at: expires });
  };
}

interface Promised {
  readonly id: string;
  readonly key: string;
  readonly expires: number;
  readonly wish: UploadWish;
}

async function linkOf({ app, signer }: CreateUploadDeps, request: Request, promised: Promised): Promise<UploadLink> {
  const { id, key, expires, wish } = promised;
  const { bytes, content_type: contentType } = wish;
  const secondsValid = limits.uploadLinkSecondsValid;
  if (app.store.links) return await storeAnswered(app.store.links.upload(key, { secondsValid, bytes }));
  const signature = await beginDatabaseWait().answered(signer.sign({ id, expires, bytes, contentType }));
  // The name by which the caller reached us will do: the answer goes to nobody else.
  const origin = app.publicUrl ?? `${request.protocol}://${request.get('host') ?? 'localhost'}`;
  const url = `${origin}/v1/uploads/${id}?expires=${expires}&signature=${signature}`;
  return { url, headers: { 'content-type': contentType } };
}
