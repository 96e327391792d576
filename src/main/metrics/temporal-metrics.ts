import { get } from 'node:http';
import { createServer } from 'node:net';

/** Where the SDK of this process tells its metrics. It opens a port of its own, which is nobody else's concern. */
let exporter: { readonly port: number } | undefined;

const host = '127.0.0.1';
/** The SDK answers from memory: later means not at all, and a scrape is not to fail for it. */
const answerMsMax = 1_000;
const answerBytesMax = 8 * 1024 * 1024;

/** The address that the SDK's exporter is to bind: a free port on loopback. */
export async function reserveExporter(): Promise<{ readonly port: number; readonly bindAddress: string }> {
  const port = await findFreePort();
  return { port, bindAddress: `${host}:${port}` };
}

/** From now on `readTemporalMetrics` asks there. */
export function useExporter(port: number): void {
  exporter = { port };
}

/** What the SDK tells, as text for Prometheus. Empty: there is no SDK in this process, or it does not answer. */
export async function readTemporalMetrics(): Promise<string> {
  if (exporter === undefined) return '';
  return await read(exporter.port).catch(() => '');
}

async function read(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = get({ host, port, path: '/metrics', signal: AbortSignal.timeout(answerMsMax) }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerBytesMax) response.destroy(new Error('the SDK tells too much'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve(
          Buffer.concat(chunks)
            .toString('utf8')
            .replace(/^# EOF\s*$/m, ''),
        ),
      );
    });
    request.on('error', reject);
  });
}

async function findFreePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
