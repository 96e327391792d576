import { Agent, buildConnector } from 'undici';

import { limits } from '../domain/limits/limits.ts';
import { Exchange, type AnswerHead } from './exchange.ts';
import { checkUrl, HostileUrlError, type UrlPolicy } from './hostile-url.ts';
import { HttpError } from './http-error.ts';
import { readRetryAfterMs } from './retry-after.ts';
import type { LookupAll } from './public-lookup.ts';
import { createSafeConnector } from './safe-connect.ts';

/**
 * The door to subscribers, whose URLs are hostile input like any caller's: only the open internet is dialled, no redirect
 * is followed, nothing is sent twice, and of an answer no more is read than the log keeps.
 */
export type WebhookClient = (post: WebhookPost) => Promise<WebhookReply>;

export interface WebhookPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Never a rejection: to have no answer is one of the things that receivers do. */
export type WebhookReply =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfterMs?: number;
      /** The beginning of the body. */
      readonly text: string;
    }
  | { readonly kind: 'no_answer'; readonly code: string };

export interface WebhookClientSettings {
  readonly policy: UrlPolicy;
  readonly timeouts?: Partial<WebhookTimeouts>;
  /** Tests pass their own. */
  readonly lookup?: LookupAll;
}

export interface WebhookTimeouts {
  readonly connectMs: number;
  readonly totalMs: number;
  readonly bodyMs: number;
}

/** What a subscriber's URL may be: https on its own port, on the open internet. */
export function webhookUrlPolicy({ privateAllowed }: { readonly privateAllowed: boolean }): UrlPolicy {
  return { charsMax: limits.callerUrlCharsMax, defaultPortOnly: true, privateAllowed };
}

const webhookUserAgent = 'spillway-webhooks/1';

const defaultTimeouts: WebhookTimeouts = {
  connectMs: limits.webhookConnectMsMax,
  totalMs: limits.webhookTryMsMax,
  bodyMs: limits.webhookAnswerBodyMsMax,
};

export function createWebhookClient({ policy, lookup, ...settings }: WebhookClientSettings): WebhookClient {
  const timeouts = { ...defaultTimeouts, ...settings.timeouts };
  const { connectMs } = timeouts;
  const connect = policy.privateAllowed
    ? buildConnector({ timeout: connectMs })
    : createSafeConnector({ connectMs, lookup });
  // Our own deadlines cover the whole exchange, so undici's partial ones are off.
  const agent = new Agent({ connect, headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });
  return async ({ url, headers, body }) => {
    try {
      const { origin, pathname, search } = checkUrl(url, policy);
      const common = { 'content-type': 'application/json', 'user-agent': webhookUserAgent };
      const options = {
        origin,
        path: pathname + search,
        method: 'POST',
        headers: { ...common, ...headers },
        body,
      } as const;
      return replyOf(await exchange((handler) => agent.dispatch(options, handler), timeouts));
    } catch (error) {
      return { kind: 'no_answer', code: codeOf(error) };
    }
  };
}

interface Answer extends AnswerHead {
  readonly text: string;
}

/** Resolves as soon as the answer is known; of its body with what comes soon and is short. */
function exchange(send: (handler: Exchange) => void, { totalMs, bodyMs }: WebhookTimeouts): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let head: AnswerHead | undefined;
    let patience: NodeJS.Timeout | undefined;
    const done = (answered: AnswerHead): void => {
      clearTimeout(patience);
      const text = Buffer.concat(chunks).subarray(0, limits.webhookAnswerBytesMax).toString('utf8');
      resolve({ ...answered, text });
    };
    const handler = new Exchange(
      { totalMs, idleMs: totalMs },
      {
        head(answered) {
          head = answered;
          patience = setTimeout(() => handler.abandon(), bodyMs);
        },
        data(chunk) {
          chunks.push(chunk);
          bytes += chunk.byteLength;
          return bytes > limits.webhookAnswerBytesMax ? 'too_large' : 'more';
        },
        end: done,
        // Whatever happens to the body, the answer was given.
        fail: (error) => (head === undefined ? reject(error) : done(head)),
      },
    );
    send(handler);
  });
}

function replyOf({ status, headers, text }: Answer): WebhookReply {
  const retryAfterMs = readRetryAfterMs(headers['retry-after'], Date.now());
  return { kind: 'answered', status, text, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** A refusal at connect time comes as the reason why there was no answer. */
function codeOf(error: unknown): string {
  const cause = error instanceof HttpError ? (error.cause ?? error) : error;
  if (cause instanceof HostileUrlError) return `url_${cause.rule}`;
  if (error instanceof HttpError) return error.code.toLowerCase();
  throw error;
}
