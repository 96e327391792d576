import { Agent, type Dispatcher } from 'undici';

import { limits } from '../domain/limits/limits.ts';
import { collectAnswer } from './collect-answer.ts';
import { checkUrl, HostileUrlError, type UrlPolicy } from './hostile-url.ts';
import { defaultUserAgent } from './http.ts';
import type { LookupAll } from './public-lookup.ts';
import { createSafeConnector } from './safe-connect.ts';
import { streamAnswer, type StreamedAnswer } from './stream-answer.ts';

/**
 * The door to URLs that a vendor or a caller gave us, which are hostile input: no key goes along, no redirect is
 * followed (a 3xx is an answer like any other), and only the open internet is dialled. Throws `HostileUrlError` for a
 * URL that is refused, by its text or by what its name means just now; `HttpError` when there was no answer.
 */
export interface RemoteFiles {
  /** Resolves with any answer's head, whatever its status. */
  open(file: FileToOpen): Promise<OpenedFile>;
  /** Sends bytes to a URL that was signed for them. Resolves with any answer, whatever its status. */
  put(file: FileToPut): Promise<PutAnswer>;
}

export interface FileToOpen {
  readonly url: string;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenedFile {
  readonly status: number;
  readonly headers: Readonly<Partial<Record<FileHeader, string>>>;
  /** Whoever opened it reads it to its end or destroys it. It fails with an `HttpError`. */
  readonly body: StreamedAnswer['body'];
}

export interface FileToPut {
  readonly url: string;
  /** That the signature covers, as a rule `content-type`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

export interface PutAnswer {
  readonly status: number;
  readonly text: string;
}

export interface RemoteFilesSettings {
  readonly policy: UrlPolicy;
  readonly timeouts?: Partial<RemoteTimeouts> | undefined;
  readonly userAgent?: string | undefined;
  /** Tests pass their own. */
  readonly lookup?: LookupAll | undefined;
}

export interface RemoteTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly downloadMs: number;
  readonly uploadMs: number;
}

type FileHeader = (typeof fileHeaders)[number];

const fileHeaders = ['content-type', 'content-length'] as const;

const defaultTimeouts: RemoteTimeouts = {
  connectMs: limits.remoteConnectMsMax,
  firstByteMs: limits.remoteFirstByteMsMax,
  idleMs: limits.remoteIdleMsMax,
  downloadMs: limits.remoteDownloadMsMax,
  uploadMs: limits.remoteUploadMsMax,
};

export function createRemoteFiles({ policy, lookup, ...settings }: RemoteFilesSettings): RemoteFiles {
  const timeouts = { ...defaultTimeouts, ...settings.timeouts };
  const { connectMs, firstByteMs, idleMs } = timeouts;
  const common = { 'user-agent': settings.userAgent ?? defaultUserAgent };
  // A pool for each origin. Our own deadlines cover the whole exchange, so undici's partial ones are off.
  const agent = new Agent({
    connect: createSafeConnector({ connectMs, ownHost: policy.own?.host, lookup }),
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
  });
  return {
    async open({ url, signal }) {
      const headers = { ...common, 'accept-encoding': 'identity' };
      const options = { ...addressOf(checkUrl(url, policy)), method: 'GET', headers } as const;
      const bounds = { totalMs: timeouts.downloadMs, firstByteMs, idleMs, signal };
      const answer = await streamAnswer((exchange) => agent.dispatch(options, exchange), bounds).catch(unwrapRefusal);
      return { status: answer.status, headers: selectHeaders(answer.headers), body: answer.body };
    },
    async put({ url, headers, bytes }) {
      const address = addressOf(checkUrl(url, policy));
      const options = { ...address, method: 'PUT', headers: { ...common, ...headers }, body: bytes } as const;
      // The peer has nothing to say while we write, so the first byte may take all the time that there is.
      const bounds = { totalMs: timeouts.uploadMs, idleMs, bytesMax: limits.remoteUploadAnswerBytesMax };
      const answer = await collectAnswer((exchange) => agent.dispatch(options, exchange), bounds).catch(unwrapRefusal);
      return { status: answer.status, text: answer.text };
    },
  };
}

function addressOf(url: URL): Pick<Dispatcher.DispatchOptions, 'path'> & { readonly origin: string } {
  return { origin: url.origin, path: url.pathname + url.search };
}

function selectHeaders(headers: StreamedAnswer['headers']): OpenedFile['headers'] {
  const present = fileHeaders.flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(present);
}

/** A refusal at connect time comes back as the reason why there was no answer. */
function unwrapRefusal(error: unknown): never {
  if (error instanceof Error && error.cause instanceof HostileUrlError) throw error.cause;
  throw error;
}
