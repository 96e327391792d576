import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** A server of finished videos, as a vendor's storage is one. */
export interface FileServer {
  /** Its origin, which the doors of the tests take for the vendor's own. */
  readonly origin: string;
  /** The paths that were asked for. */
  readonly asked: readonly string[];
  /** Answers a path from now on. */
  serve(path: string, answer: Answer): string;
  /** Answers that somebody has not read to their end, and has not given up. */
  unread(): number;
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

export async function startFileServer(): Promise<FileServer> {
  const answers = new Map<string, Answer>();
  const asked: string[] = [];
  let unread = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    unread += 1;
    response.on('close', () => (unread -= 1));
    const answer = answers.get(path) ?? ((_, missing) => missing.writeHead(404).end());
    void answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  return {
    origin,
    asked,
    serve(path, answer) {
      answers.set(path, answer);
      return origin + path;
    },
    unread: () => unread,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The beginning of an MP4 file, and something after it. */
export function videoBytes(bytes = 1_000): Buffer {
  const video = Buffer.alloc(bytes, 'video');
  video.write('\0\0\0\x18ftypisom', 'latin1');
  return video;
}

/** The whole video at once, with its length. */
export function whole(video: Uint8Array, headers: Record<string, string> = {}): Answer {
  return (_, response) =>
    response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': video.byteLength, ...headers }).end(video);
}

/** An answer without a video. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (_, response) => response.writeHead(code, headers).end();
}
