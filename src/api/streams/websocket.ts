import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { limits } from '../../domain/limits/limits.ts';
import { drainedOrClosed } from './drained-or-closed.ts';
import type { SseSettings } from './sse.ts';
import type { OpenStream } from './streams.ts';
import type { Upgrade } from './upgrade.ts';

/** A WebSocket that tells, and listens to nothing but answers to its pings. */
export interface SocketConnection extends OpenStream {
  send(message: object): void;
  isFull(): boolean;
  drained(): Promise<void>;
  /** Says goodbye, and why (RFC 6455, 7.4). */
  close(code: SocketEnd): void;
  onClose(listener: () => void): void;
}

/** Normal closure, policy violation, and *service restart*: come back. */
export type SocketEnd = 1_000 | 1_008 | 1_012;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: limits.socketMessageBytesMax,
});

/** Beats without an answer after which nobody is there: two of them are half a minute. */
const missedBeatsMax = 2;
/** What a client may say between two beats, though nobody reads it. */
const messagesMax = 100;

export async function openSocket(
  request: IncomingMessage,
  { socket, head }: Upgrade,
  settings: SseSettings,
): Promise<SocketConnection> {
  // It went while something was read for it: nobody would tell us of that again.
  if (socket.destroyed) throw new Error('the client has gone');
  const webSocket = await new Promise<WebSocket>((resolve, reject) => {
    socket.once('close', () => reject(new Error('the client has gone')));
    server.handleUpgrade(request, socket, head, resolve);
  });
  return connectionOf(webSocket, { socket, settings });
}

interface Wire {
  readonly socket: Upgrade['socket'];
  readonly settings: SseSettings;
}

function connectionOf(webSocket: WebSocket, { socket, settings }: Wire): SocketConnection {
  const { clock, isAdmitted, onSlow } = settings;
  let stuckSince: number | undefined;
  let missedBeats = 0;
  let messages = 0;
  const close = (code: SocketEnd): void => {
    webSocket.close(code);
    setTimeout(() => webSocket.terminate(), limits.socketCloseMsMax).unref();
  };
  socket.on('drain', () => (stuckSince = undefined));
  // A frame that is too long, or none: the socket is closed, which is all there is to do.
  webSocket.on('error', () => undefined);
  webSocket.on('pong', () => (missedBeats = 0));
  webSocket.on('message', () => {
    messages += 1;
    if (messages > messagesMax) close(1_008);
  });
  return {
    send(message) {
      if (webSocket.readyState !== webSocket.OPEN) return;
      webSocket.send(JSON.stringify(message));
      if (socket.writableNeedDrain) stuckSince ??= clock();
      if (socket.writableLength <= limits.streamUnsentBytesMax) return;
      onSlow();
      webSocket.terminate();
    },
    isFull: () => socket.writableNeedDrain,
    async drained() {
      if (socket.writableNeedDrain) await drainedOrClosed(socket);
      if (webSocket.readyState !== webSocket.OPEN) throw new Error('the reader has gone');
    },
    close,
    onClose: (listener) => void webSocket.once('close', listener),
    beat() {
      if (missedBeats >= missedBeatsMax) return webSocket.terminate();
      missedBeats += 1;
      messages = 0;
      webSocket.ping();
    },
    stuckSince: () => stuckSince,
    sendAway: () => close(1_012),
    destroy: () => webSocket.terminate(),
    isAdmitted,
  };
}
