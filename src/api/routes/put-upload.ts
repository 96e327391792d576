import type { Request, RequestHandler } from 'express';
import { findUpload, type Upload } from '../../db/jobs/uploads.ts';
import { limits } from '../../domain/limits/limits.ts';
import { contentTypeOf } from '../../storage/object-store.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { Problem, temporaryProblem } from '../problems/problem.ts';
import { isUploadId } from '../input/upload-id.ts';
import type { UploadSigner } from '../input/upload-signer.ts';

export interface PutUploadDeps {
  readonly app: Pick<AppDeps, 'pool' | 'store' | 'clock'>;
  readonly signer: UploadSigner;
}

/** `PUT /v1/uploads/{id}`: takes what was promised, whole or not at all. The signature stands for the API key. */
export function putUpload({ app, signer }: PutUploadDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const link = linkOf(request, app.clock());
    const wait = beginDatabaseWait();
    const upload = await wait.answered(findUpload(app.pool, link.id));
    if (upload === undefined) throw refused();
    const contentType = contentTypeOf(upload.key);
    const permission = { id: link.id, expires: link.expires, bytes: upload.bytes, contentType };
    if (!(await wait.answered(signer.hasSigned(permission, link.signature)))) throw refused();
    refuseUnlessPromised(request, permission);
    await keep(app, upload, request);
    const keptUntil = Math.floor(upload.expiresAt / 1_000);
    response.json({
      id: link.id,
      object: 'upload',
      bytes: upload.bytes,
      content_type: contentType,
      kept_until: keptUntil,
    });
  };
}

interface Link {
  readonly id: string;
  readonly expires: number;
  readonly signature: string;
}

function linkOf(request: Request<{ id: string }>, now: number): Link {
  const { expires, signature } = request.query;
  const { id } = request.params;
  if (!isUploadId(id) || typeof expires !== 'string' || !/^\d{1,12}$/.test(expires)) throw refused();
  if (typeof signature !== 'string' || !/^[\w-]{43}$/.test(signature)) throw refused();
  if (Number(expires) * 1_000 <= now) throw refused();
  return { id, expires: Number(expires), signature };
}

/** Says no more than that: whoever has no valid URL learns nothing of uploads. */
function refused(): Problem {
  return new Problem('upload_refused', {
    detail: 'The URL is not as it was given out, or has expired. Create another upload.',
  });
}

/** Node's parser sees to it that a body is as long as its head says. */
function refuseUnlessPromised(
  request: Request<{ id: string }>,
  promised: { bytes: number; contentType: string },
): void {
  const type = request.get('content-type')?.toLowerCase().trim();
  if (type !== promised.contentType || request.get('content-encoding') !== undefined)
    throw new Problem('unsupported_media_type', {
      detail: `The picture was promised as ${promised.contentType}, uncompressed. Send it with this content type.`,
    });
  const length = request.get('content-length');
  if (length === undefined)
    throw new Problem('length_required', { detail: 'Send the picture with its Content-Length.' });
  const bytes = Number(length);
  if (bytes === promised.bytes) return;
  const detail = `The picture was promised with ${promised.bytes} bytes. Send these, or create another upload.`;
  throw new Problem(bytes > promised.bytes ? 'body_too_large' : 'invalid_request', { detail });
}

async function keep({ store }: PutUploadDeps['app'], { key }: Upload, request: Request<{ id: string }>): Promise<void> {
  const signal = AbortSignal.timeout(limits.uploadMsMax);
  try {
    await store.write(key, { body: bodyOf(request), signal });
  } catch (cause) {
    // What is left of a body that takes so long is not worth reading.
    if (signal.aborted) throw new Problem('request_timed_out', { headers: { connection: 'close' } });
    if (request.destroyed) throw new Problem('invalid_request', { detail: 'The body broke off.', cause });
    throw temporaryProblem('storage_unavailable', cause);
  }
}

/** Not the request itself: whoever gives up reading it would take the connection along, and the answer with it. */
async function* bodyOf(request: Request<{ id: string }>): AsyncGenerator<Uint8Array> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk;
}
