import type { Request, Response } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import { drainedOrClosed } from './drained-or-closed.ts';
import { type OpenStream, retryMs } from './streams.ts';

/** A message of server-sent events. Without data it only says where the reader is. */
export interface SseMessage {
  readonly id?: string;
  readonly event?: string;
  readonly data?: unknown;
}

/** An answer that goes on (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface SseConnection extends OpenStream {
  send(message: SseMessage): void;
  isFull(): boolean;
  /** Resolves once the reader has taken enough to be sent more. */
  drained(): Promise<void>;
  end(): void;
}

export interface SseSettings {
  readonly clock: () => number;
  readonly isAdmitted: () => Promise<boolean>;
  /** The reader takes too little, and was dropped: it comes back with the number of its last event. */
  readonly onSlow: () => void;
}

/** Writes the head, and how long to wait before coming back. */
export function openSse(response: Response, { clock, isAdmitted, onSlow }: SseSettings): SseConnection {
  response.status(200).set({
    'content-type': 'text/event-stream; charset=utf-8',
    // Nobody in between keeps it, packs it or waits for its end.
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  });
  let stuckSince: number | undefined;
  response.on('drain', () => (stuckSince = undefined));
  const write = (text: string): void => {
    if (response.writableEnded || response.destroyed) return;
    if (!response.write(text)) stuckSince ??= clock();
    if (response.writableLength <= limits.streamUnsentBytesMax) return;
    onSlow();
    response.destroy();
  };
  write(`retry: ${retryMs()}\n\n`);
  return {
    send: (message) => write(textOf(message)),
    beat: () => write(':\n\n'),
    stuckSince: () => stuckSince,
    isFull: () => response.writableNeedDrain,
    async drained() {
      if (response.writableNeedDrain && !response.destroyed) await drainedOrClosed(response);
      if (response.destroyed) throw new Error('the reader has gone');
    },
    end: () => void response.end(),
    sendAway(ms) {
      write(`retry: ${ms}\n\n`);
      response.end();
    },
    destroy: () => void response.destroy(),
    isAdmitted,
  };
}

/** JSON has no line breaks, so its text is one line. */
function textOf({ id, event, data }: SseMessage): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(data === undefined ? [] : [`data: ${JSON.stringify(data)}`]),
  ];
  return `${lines.join('\n')}\n\n`;
}

/** The id that a reader comes back with: browsers send the header, and others may say it in the URL. */
export function lastEventIdOf(request: Request): string | undefined {
  const { last_event_id: inUrl } = request.query;
  const id = request.get('last-event-id') ?? (typeof inUrl === 'string' ? inUrl : undefined);
  return id === '' ? undefined : id;
}
