import { Readable } from 'node:stream';

import { Exchange, type AnswerHead, type ExchangeTimeouts } from './exchange.ts';

export interface StreamedAnswer extends AnswerHead {
  /** Whoever opened it reads it to its end or destroys it. It fails with an `HttpError`. */
  readonly body: Readable;
}

/** Sends a request and hands over its answer as it arrives, no faster than it is read. Throws `HttpError`. */
export function streamAnswer(
  send: (exchange: Exchange) => void,
  { signal, ...timeouts }: ExchangeTimeouts & { readonly signal?: AbortSignal | undefined },
): Promise<StreamedAnswer> {
  return new Promise((resolve, reject) => {
    let body: Readable | undefined;
    const exchange = new Exchange(timeouts, {
      head: (head) => {
        body = bodyOf(exchange);
        resolve({ ...head, body });
      },
      data: (chunk) => (body?.push(chunk) ? 'more' : 'pause'),
      end: () => {
        signal?.removeEventListener('abort', abandon);
        body?.push(null);
      },
      fail: (error) => {
        signal?.removeEventListener('abort', abandon);
        if (body) body.destroy(error);
        else reject(error);
      },
    });
    const abandon = (): void => exchange.abandon();
    signal?.addEventListener('abort', abandon);
    if (signal?.aborted) abandon();
    else send(exchange);
  });
}

function bodyOf(exchange: Exchange): Readable {
  const body = new Readable({
    read: () => exchange.resume(),
    destroy: (error, callback) => {
      exchange.abandon();
      callback(error);
    },
  });
  // It may fail before its reader has begun to listen, which is no reason to end the process: the stream keeps its
  // error for whoever reads it later.
  return body.on('error', () => {});
}
