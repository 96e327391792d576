export type HttpErrorReason = 'connect' | 'timeout' | 'too_large' | 'broken' | 'aborted';

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

function codeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return undefined;
  return /^[A-Z0-9_]{1,64}$/.test(cause.code) ? cause.code : undefined;
}
