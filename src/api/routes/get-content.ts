import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { type AssetView, findOutput, type JobOutput } from '../../db/jobs/read-jobs.ts';
import { limits } from '../../domain/limits/limits.ts';
import type { ByteRange, ObjectLinks, OpenedObject } from '../../storage/object-store.ts';
import { closeObject } from '../../storage/read-object.ts';
import { rangeOf } from '../reading/content-range.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import { ownedJobOf, videoNotFound } from '../job-path.ts';
import { beginLongLived } from '../load/long-lived.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';
import { openAnswered, storeAnswered } from '../store-wait.ts';

/** `GET /v1/videos/{id}/content`: our copy of the video, from here or by a link to where it lies. */
export function getContent(deps: AppDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    refuseOtherVariants(request.query['variant']);
    const asset = assetOf(await beginDatabaseWait().answered(findOutput(deps.pool, owned)));
    const content: Content = { asset, etag: `"${asset.sha256}"`, filename: `${owned.id}.mp4` };
    response.set({ etag: content.etag, 'cache-control': 'private, max-age=0' });
    if (request.fresh) response.status(304).end();
    // A link is signed for one method, so a HEAD is answered here.
    else if (request.method === 'HEAD') response.set(headersOf(content, 'whole')).end();
    else if (deps.store.links) await redirect(response, deps.store.links, content);
    else await send(deps, { request, response, content });
  };
}

/** OpenAI's client knows three. */
function refuseOtherVariants(variant: unknown): void {
  if (variant === undefined || variant === 'video') return;
  if (variant !== 'thumbnail' && variant !== 'spritesheet')
    throw fieldProblem('invalid_request', '/variant', 'This has to be video, which is the default.');
  throw new Problem('not_supported_here', {
    detail: `A ${variant} is not made here. Leave variant out for the video.`,
  });
}

interface Content {
  readonly asset: AssetView;
  readonly etag: string;
  readonly filename: string;
}

function assetOf(output: JobOutput | undefined): AssetView {
  if (output === undefined) throw videoNotFound();
  if (output.phase !== 'completed') throw new Problem('video_not_ready', { detail: `The video is ${output.phase}.` });
  if (output.asset === null || output.asset.isGone) throw new Problem('video_gone');
  return output.asset;
}

async function redirect(response: Response, links: ObjectLinks, { asset, filename }: Content): Promise<void> {
  const link = { secondsValid: limits.contentLinkSecondsValid, filename };
  response.redirect(302, await storeAnswered(links.download(asset.key, link)));
}

interface Sending {
  readonly request: Request<{ id: string }>;
  readonly response: Response;
  readonly content: Content;
}

async function send(deps: AppDeps, { request, response, content }: Sending): Promise<void> {
  const { asset, etag } = content;
  const range = rangeOf(request, { bytes: asset.bytes, etag });
  if (range === 'none')
    throw new Problem('range_not_satisfiable', { headers: { 'content-range': `bytes */${asset.bytes}` } });
  const { body } = await open(deps, asset, range);
  response.status(range === 'whole' ? 200 : 206).set(headersOf(content, range));
  beginLongLived(response);
  // Whoever takes nothing for so long must not hold a file open for ever.
  response.setTimeout(limits.contentIdleMsMax);
  try {
    await pipeline(body, response);
  } catch (cause) {
    // The caller has gone, which is no fault; or the store has, and the answer is cut short.
    if (!isPrematureClose(cause)) throw new Problem('storage_unavailable', { cause });
  }
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

async function open(deps: AppDeps, asset: AssetView, range: ByteRange | 'whole'): Promise<OpenedObject> {
  const { key, bytes } = asset;
  const opened = await openAnswered(deps.store, { key, range: range === 'whole' ? undefined : range });
  if (opened?.bytes === bytes) return opened;
  closeObject(opened);
  deps.logger.error({ key, bytes, found: opened?.bytes }, 'a video is not as it was stored');
  throw new Problem('video_gone');
}

function headersOf({ asset, filename }: Content, range: ByteRange | 'whole'): Record<string, string> {
  const { bytes, contentType, sha256 } = asset;
  return {
    // Never a type that a browser would run under our name.
    'content-type': /^video\/[\w.+-]+$/.test(contentType) ? contentType : 'video/mp4',
    'content-disposition': `attachment; filename="${filename}"`,
    'accept-ranges': 'bytes',
    // Of the whole video, also beside a part of it (RFC 9530).
    'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    ...(range === 'whole'
      ? { 'content-length': String(bytes) }
      : {
          'content-length': String(range.end - range.start + 1),
          'content-range': `bytes ${range.start}-${range.end}/${bytes}`,
        }),
  };
}
