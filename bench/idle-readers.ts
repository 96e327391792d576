import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';

/** Opens streams of events and reads them: a process of its own, driven by one message. */

export interface ReadersPlan {
  readonly port: number;
  readonly apiKey: string;
  /** A file of ids of videos, one for each stream. */
  readonly idsFile: string;
}

export interface ReadersOpen {
  readonly kind: 'open';
  readonly streams: number;
  readonly refused: number;
}

/** As many connects at once as a listen queue takes without dropping any. */
const connectsAtOnce = 50;

if (process.send !== undefined) {
  process.once('message', (plan: ReadersPlan) => {
    void openAll(plan).then((open) => process.send?.(open));
  });
}

async function openAll({ port, apiKey, idsFile }: ReadersPlan): Promise<ReadersOpen> {
  const ids = (await readFile(idsFile, 'utf8')).split('\n');
  let streams = 0;
  const next = async (): Promise<void> => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) if (await open({ port, apiKey, id })) streams += 1;
  };
  const wanted = ids.length;
  await Promise.all(Array.from({ length: connectsAtOnce }, next));
  return { kind: 'open', streams, refused: wanted - streams };
}

/** Resolves with the head of the answer. What comes after it is read and forgotten. */
async function open({ port, apiKey, id }: { port: number; apiKey: string; id: string }): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('data', (chunk) => resolve(chunk.toString().startsWith('HTTP/1.1 200')));
    socket.on('data', () => undefined);
    socket.write(`GET /v1/videos/${id}/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${apiKey}\r\n\r\n`);
  });
}
