import { Pool, type Dispatcher } from 'undici';

/**
 * The only door to a vendor. It sends what it is given once: no retries, no redirects, no body without a bound and no
 * wait without an end. Keys go to the configured origin only, because there is no way to name another one.
 */
export interface Http {
  /** Resolves with any answer, whatever its status. Throws `HttpError` when there was none, or none to be read. */
  request(request: HttpRequest): Promise<HttpResponse>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** From the root, without a query: `/api/v3/balance`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  /** From now until the last byte of the answer. */
  readonly timeoutMs?: number;
}

export interface HttpBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-cased names; a repeated header is joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

export interface HttpSettings {
  /** Scheme, host and port, nothing else. */
  readonly origin: string;
  /** Asked for every request, so that a key can be rotated. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly timeouts: { readonly connectMs: number; readonly totalMs: number };
  readonly bytesMax?: number;
  readonly userAgent?: string;
}

const defaultBytesMax = 1_048_576;
export const defaultUserAgent = 'spillway';

export type HttpErrorReason = 'connect' | 'timeout' | 'too_large' | 'broken';

/** No answer. It carries codes only: a URL of ours holds a callback token, and a header of ours holds a key. */
export class HttpError extends Error {
  override name = 'HttpError';
  /** `false` is proof that not one byte was written; `true` means the vendor may have acted. */
  readonly sent: boolean;
  readonly reason: HttpErrorReason;
  /** The system's or undici's code, for example `ECONNREFUSED`; else the reason. */
  readonly code: string;

  constructor(detail: { reason: HttpErrorReason; sent: boolean }, options?: ErrorOptions) {
    const code = codeOf(options?.cause) ?? detail.reason;
    super(`no answer: ${code} (${detail.sent ? 'sent' : 'not sent'})`, options);
    this.reason = detail.reason;
    this.sent = detail.sent;
    this.code = code;
  }
}

export function createHttp(settings: HttpSettings): Http {
  const origin = originOf(settings.origin);
  // Our own deadline covers the whole exchange, so undici's partial ones are off. One request a connection at a time:
  // undici may write a pipelined request again after a failure, and a paid POST must never be written twice.
  const pool = new Pool(origin, {
    connect: { timeout: settings.timeouts.connectMs },
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
  });
  return {
    async request(request) {
      const timeoutMs = request.timeoutMs ?? settings.timeouts.totalMs;
      const limits = { timeoutMs, bytesMax: settings.bytesMax ?? defaultBytesMax };
      const options = dispatchOptions(request, { origin, settings });
      return new Promise((resolve, reject) => {
        pool.dispatch(options, new Exchange(limits, { resolve, reject }));
      });
    },
  };
}

interface Settle {
  resolve(response: HttpResponse): void;
  reject(error: HttpError): void;
}

/** One request and its answer: holds the deadline, counts the bytes, and knows whether anything was written. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #settle: Settle;
  readonly #bytesMax: number;
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #bytes = 0;
  #status = 0;
  #headers: HttpResponse['headers'] = {};

  constructor(limits: { timeoutMs: number; bytesMax: number }, settle: Settle) {
    this.#settle = settle;
    this.#bytesMax = limits.bytesMax;
    this.#timer = setTimeout(() => this.#fail('timeout'), limits.timeoutMs);
  }

  /**
   * undici calls this immediately before the first byte is written, never earlier: it is the line between `sent` and
   * not. A refusal here keeps a request that is already over, or that was already written once, off the wire.
   */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over || this.#controller) {
      controller.abort(new Error('over, or written before'));
      return;
    }
    this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    this.#headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, joined(value)]));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.#bytesMax) this.#fail('too_large');
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#end();
    const text = Buffer.concat(this.#chunks).toString('utf8');
    this.#settle.resolve({ status: this.#status, headers: this.#headers, text });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error): void {
    this.#fail(this.#controller ? 'broken' : 'connect', cause);
  }

  #fail(reason: HttpErrorReason, cause?: Error): void {
    if (this.#over) return;
    this.#end();
    const error = new HttpError({ reason, sent: this.#controller !== undefined }, { cause });
    this.#settle.reject(error);
    this.#controller?.abort(error);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }
}

function dispatchOptions(
  request: HttpRequest,
  door: { origin: string; settings: HttpSettings },
): Dispatcher.DispatchOptions {
  const url = new URL(request.path, door.origin);
  if (url.origin !== door.origin || url.pathname !== request.path) throw new Error('the path leaves its place');
  url.search = new URLSearchParams(request.query).toString();
  return {
    method: request.method,
    path: url.pathname + url.search,
    headers: {
      accept: 'application/json',
      'user-agent': door.settings.userAgent ?? defaultUserAgent,
      ...door.settings.headers(),
      ...(request.body && { 'content-type': request.body.contentType }),
    },
    body: request.body?.bytes ?? null,
  };
}

function originOf(text: string): string {
  const url = new URL(text);
  const bare = url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password;
  if (!bare || !['https:', 'http:'].includes(url.protocol)) throw new Error('an origin is scheme, host and port only');
  return url.origin;
}

/** A repeated header as one. */
export function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

function codeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return undefined;
  return /^[A-Z0-9_]{1,64}$/.test(cause.code) ? cause.code : undefined;
}
