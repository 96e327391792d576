import { Agent, request as undiciRequest, type Dispatcher } from 'undici';

import { checkVideoUrl, type VideoUrlPolicy } from './hostile-url.ts';
import { defaultUserAgent, HttpError, joined } from './http.ts';

interface RemoteVideoRequest {
  readonly url: string;
  /** One range of bytes, for example `bytes=1048576-`. */
  readonly range?: string;
  readonly signal?: AbortSignal;
}

interface RemoteVideoStream {
  readonly status: number;
  readonly headers: Readonly<Partial<Record<RemoteVideoHeader, string>>>;
  /** A Node `Readable`. Whoever opened it reads it to its end or destroys it. */
  readonly body: Dispatcher.ResponseData['body'];
}

type RemoteVideoHeader = (typeof remoteVideoHeaders)[number];

const remoteVideoHeaders = ['content-type', 'content-length', 'content-range', 'accept-ranges'] as const;

export type OpenRemoteVideo = (request: RemoteVideoRequest) => Promise<RemoteVideoStream>;

export interface VideoOpenerSettings extends VideoUrlPolicy {
  readonly timeouts?: { readonly connectMs: number; readonly stallMs: number };
  readonly userAgent?: string;
}

/**
 * Makes the door to output URLs, which are hostile input: no key goes along and no redirect is followed (a 3xx is an
 * answer like any other). Throws `HostileUrlError` for a URL that is refused, `HttpError` when there was no answer.
 */
export function createVideoOpener(settings: VideoOpenerSettings): OpenRemoteVideo {
  const { connectMs, stallMs } = settings.timeouts ?? { connectMs: 10_000, stallMs: 30_000 };
  const agent = new Agent({ connect: { timeout: connectMs }, headersTimeout: stallMs, bodyTimeout: stallMs });
  return async function openRemoteVideo(request) {
    const url = checkVideoUrl(request.url, settings);
    const headers = { 'user-agent': settings.userAgent ?? defaultUserAgent, ...rangeHeader(request.range) };
    const signal = request.signal ?? null;
    const response = await undiciRequest(url, { dispatcher: agent, headers, signal }).catch(asHttpError);
    return { status: response.statusCode, headers: selectHeaders(response.headers), body: response.body };
  };
}

function rangeHeader(range: string | undefined): Record<string, string> {
  if (range === undefined) return {};
  if (!/^bytes=\d{1,15}-\d{0,15}$/.test(range)) throw new Error('a range is bytes=from-to or bytes=from-');
  return { range };
}

function selectHeaders(headers: Record<string, string | string[] | undefined>): RemoteVideoStream['headers'] {
  const present = remoteVideoHeaders.flatMap((name) => {
    const value = joined(headers[name]);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(present);
}

/** The question costs nothing, so whether it was sent does not matter: `true` is the careful answer. */
function asHttpError(cause: unknown): never {
  throw new HttpError({ reason: 'broken', sent: true }, { cause });
}
