import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';

const host = '127.0.0.1';

/**
 * One port a name: the one used last time where it is still free, so that links and bookmarks survive a restart,
 * else one that the operating system gives.
 */
export async function choosePorts(memoryFile: string, names: readonly string[]): Promise<Record<string, number>> {
  const remembered = await recallPorts(memoryFile);
  const held: Server[] = [];
  try {
    const ports: Record<string, number> = {};
    // All are held open until the last is chosen, or two names could get the same port.
    for (const name of names) {
      const server = (await hold(remembered[name] ?? 0)) ?? (await hold(0));
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
