import type { Request, Response } from 'express';
import { beginLongLived } from '../load/long-lived.ts';
import { openSse, type SseConnection } from './sse.ts';
import type { StreamDeps } from './stream-deps.ts';
import type { StreamPlace } from './streams.ts';

interface Beginning {
  readonly request: Request;
  readonly response: Response;
  readonly place: StreamPlace;
  /** What is to be told, which is left when the reader goes. */
  readonly story: { leave(): void };
}

/** Opens the stream of a story. Undefined: its reader has gone already, or asked for the head alone, and is answered. */
export function beginSse(
  { connectionOf }: Pick<StreamDeps, 'connectionOf'>,
  { request, response, place, story }: Beginning,
): SseConnection | undefined {
  if (response.destroyed || request.method === 'HEAD') {
    story.leave();
    response.type('text/event-stream').end();
    return undefined;
  }
  response.once('close', () => story.leave());
  beginLongLived(response);
  const sse = openSse(response, connectionOf(request));
  place.open(sse);
  return sse;
}
