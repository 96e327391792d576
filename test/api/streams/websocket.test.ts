import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createServer } from '../../../src/api/server.ts';
import { takeUpgrade } from '../../../src/api/streams/upgrade.ts';
import { openSocket } from '../../../src/api/streams/websocket.ts';
import { until } from '../../support/until.ts';

const handshake =
  'GET /v1/stream HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
  'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

let server: ReturnType<typeof createServer>;
afterEach(() => void server.close());

test.each(['destroy', 'resetAndDestroy'] as const)(
  'a client that goes (%s) while we are not ready yet leaves nobody waiting for it',
  async (how) => {
    let goOn: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (goOn = resolve));
    let hasCome = false;
    let hasReset = false;
    let outcome: string | undefined;
    server = createServer((request, response) => {
      hasCome = true;
      response.once('close', () => (hasReset = true));
      const goesOn = async (): Promise<void> => {
        await ready;
        const upgrade = takeUpgrade(request);
        if (upgrade === undefined) throw new Error('assertion failed: there is an upgrade');
        const settings = { clock: Date.now, isAdmitted: async () => true, onSlow: () => undefined };
        await openSocket(request, upgrade, settings).then(
          (socket) => socket.onClose(() => (outcome = 'gone')),
          () => (outcome = 'gone'),
        );
      };
      void goesOn();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
    const { port } = server.address() as AddressInfo;
    const client = connect(port, '127.0.0.1').on('error', () => undefined);
    client.write(handshake);
    await until('it has come', () => hasCome);
    client[how]();
    await once(client, 'close');
    // A connection that nobody reads does not tell that its other end was closed in good order.
    if (how === 'resetAndDestroy') await until('it is reset', () => hasReset);
    goOn();
    expect(await until('we know', () => outcome)).toBe('gone');
  },
);
