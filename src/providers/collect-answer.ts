import { Exchange, type AnswerHead, type ExchangeTimeouts } from './exchange.ts';

export interface CollectedAnswer extends AnswerHead {
  readonly text: string;
}

/** Sends a request and keeps the whole answer in memory, up to a bound. Throws `HttpError`. */
export function collectAnswer(
  send: (exchange: Exchange) => void,
  { bytesMax, ...timeouts }: ExchangeTimeouts & { readonly bytesMax: number },
): Promise<CollectedAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const exchange = new Exchange(timeouts, {
      data: (chunk) => {
        bytes += chunk.byteLength;
        if (bytes > bytesMax) return 'too_large';
        chunks.push(chunk);
        return 'more';
      },
      end: (head) => resolve({ ...head, text: Buffer.concat(chunks).toString('utf8') }),
      fail: reject,
    });
    send(exchange);
  });
}
