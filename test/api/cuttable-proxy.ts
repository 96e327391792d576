import { connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server, and fails as networks do. */
export interface CuttableProxy {
  readonly port: number;
  /** `open` passes everything, `refuse` cuts and refuses connections, `silent` keeps them and passes nothing. */
  set(state: 'open' | 'refuse' | 'silent'): void;
  /** Cuts the connection that next sends the marker, once the server answers: the work is done, and nobody hears. */
  loseNextAnswer(marker: string): void;
  lostAnswers(): number;
  close(): Promise<void>;
}

export async function openProxy(target: { host: string; port: number }): Promise<CuttableProxy> {
  let state: 'open' | 'refuse' | 'silent' = 'open';
  let marker: string | undefined;
  let lost = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (state === 'refuse') {
      client.destroy();
      return;
    }
    const upstream = connect(target);
    let doomed = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
    }
    client.on('data', (chunk) => {
      if (state === 'silent') return;
      if (marker !== undefined && chunk.includes(marker)) {
        doomed = true;
        marker = undefined;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (state === 'silent') return;
      if (doomed) {
        lost += 1;
        client.destroy();
      } else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    set(next) {
      state = next;
      if (next === 'refuse') for (const socket of sockets) socket.destroy();
    },
    loseNextAnswer: (text) => (marker = text),
    lostAnswers: () => lost,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
