import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';

const host = '127.0.0.1';

/** A name alone, or one whose port has a bound: what the operating system gives is mostly above 32,767. */
export type PortWish = string | { readonly name: string; readonly portMax: number };

const portMin = 10_000;
const drawsMax = 100;

/**
 * One port a name: the one used last time where it is still free, so that links and bookmarks survive a restart,
 * else one that the operating system gives.
 */
export async function choosePorts(memoryFile: string, wishes: readonly PortWish[]): Promise<Record<string, number>> {
  const remembered = await recallPorts(memoryFile);
  const held: Server[] = [];
  try {
    const ports: Record<string, number> = {};
    // All are held open until the last is chosen, or two names could get the same port.
    for (const wish of wishes) {
      const { name, portMax } = typeof wish === 'string' ? { name: wish, portMax: undefined } : wish;
      const last = remembered[name];
      const server = (last === undefined ? undefined : await hold(last)) ?? (await holdAny(portMax));
      if (!server) throw new Error('No free port on the loopback interface.');
      held.push(server);
      ports[name] = portOf(server);
    }
    await writeFile(memoryFile, `${JSON.stringify(ports)}\n`);
    return ports;
  } finally {
    await Promise.all(held.map(release));
  }
}

export async function isListening(host: string, port: number): Promise<boolean> {
  const socket = createConnection({ host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function recallPorts(memoryFile: string): Promise<Record<string, number>> {
  try {
    const memory: unknown = JSON.parse(await readFile(memoryFile, 'utf8'));
    return Object.fromEntries(Object.entries(memory ?? {}).filter(([, port]) => isPort(port)));
  } catch {
    // No memory, or half a file after a crash: any port will do.
    return {};
  }
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}

async function holdAny(portMax: number | undefined): Promise<Server | undefined> {
  if (portMax === undefined) return await hold(0);
  for (let draws = 0; draws < drawsMax; draws += 1) {
    const server = await hold(randomInt(portMin, portMax + 1));
    if (server) return server;
  }
  return undefined;
}

async function hold(port: number): Promise<Server | undefined> {
  const server = createServer();
  server.listen({ port, host, exclusive: true });
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port.');
  return address.port;
}

async function release(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
