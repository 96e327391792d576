import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { findOutput, type JobOutput } from '../../db/read-jobs.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps, OpenedVideo } from '../deps.ts';
import { ownedJobOf, videoNotFound } from '../job-path.ts';
import { Problem } from '../problem.ts';

/** `GET /v1/videos/{id}/content`: the video as its provider serves it, through us. */
export function getContent(deps: AppDeps): RequestHandler<{ id: string }> {
  return async (request, response) => {
    const owned = ownedJobOf(request);
    const output = await beginDatabaseWait().answered(findOutput(deps.pool, owned));
    const opened = await open(deps, placeOf(output), rangeOf(request));
    refuseUnlessVideo(opened);
    response.status(opened.status).set(headersOf(opened, owned.id));
    await send(request, response, opened);
  };
}

interface VideoPlace {
  readonly provider: string;
  readonly url: string;
}

function placeOf(output: JobOutput | undefined): VideoPlace {
  if (output === undefined) throw videoNotFound();
  if (output.phase !== 'completed') throw new Problem('video_not_ready', { detail: `The video is ${output.phase}.` });
  const { provider, videoUrl: url } = output;
  if (provider === null || url === null) throw new Problem('video_gone');
  return { provider, url };
}

/** One plain range. Any other is ignored, which RFC 9110 allows: the answer is the whole video. */
function rangeOf(request: Request<{ id: string }>): string | undefined {
  const range = request.get('range');
  return range !== undefined && /^bytes=\d{1,15}-\d{0,15}$/.test(range) ? range : undefined;
}

async function open(deps: AppDeps, { provider, url }: VideoPlace, range: string | undefined): Promise<OpenedVideo> {
  try {
    return await deps.openVideo(provider, url, range);
  } catch (cause) {
    throw new Problem('video_unreachable', { cause });
  }
}

function refuseUnlessVideo(opened: OpenedVideo): void {
  const { status } = opened;
  if (status === 200 || status === 206) return;
  opened.body.on('error', () => undefined).destroy();
  if (status === 416) throw new Problem('range_not_satisfiable', { headers: contentRange(opened) });
  // A signed link that has expired is a 403 at most stores.
  if ([403, 404, 410].includes(status)) throw new Problem('video_gone');
  throw new Problem('video_unreachable', { cause: new Error(`the provider answered ${status}`) });
}

function contentRange({ headers }: OpenedVideo): Record<string, string> {
  const range = headers['content-range'];
  return range === undefined ? {} : { 'content-range': range };
}

function headersOf(opened: OpenedVideo, id: string): Record<string, string> {
  const { 'content-type': type = '', 'content-length': length, 'accept-ranges': ranges } = opened.headers;
  return {
    // Never a type that a browser would run under our name.
    'content-type': /^video\/[\w.+-]+$/.test(type) ? type : 'video/mp4',
    'content-disposition': `attachment; filename="${id}.mp4"`,
    'cache-control': 'private',
    'accept-ranges': ranges === 'none' ? 'none' : 'bytes',
    ...(length !== undefined && { 'content-length': length }),
    ...contentRange(opened),
  };
}

async function send(request: Request<{ id: string }>, response: Response, { body }: OpenedVideo): Promise<void> {
  if (request.method === 'HEAD') {
    body.on('error', () => undefined).destroy();
    response.end();
    return;
  }
  try {
    await pipeline(body, response);
  } catch (cause) {
    // The caller has gone, which is no fault; or the provider has, and the answer is cut short.
    if (!response.closed) throw new Problem('video_unreachable', { cause });
  }
}
