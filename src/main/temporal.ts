import { setTimeout as delay } from 'node:timers/promises';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime, type NativeConnectionOptions } from '@temporalio/worker';
import { reserveExporter, useExporter } from './temporal-metrics.ts';

/** Address, TLS, key and namespace as `@temporalio/envconfig` reads them; an embedded server's address goes first. */
export interface TemporalSettings {
  readonly connection: NativeConnectionOptions;
  readonly namespace: string;
}

export function readTemporalSettings(embeddedAddress?: string): TemporalSettings {
  // An embedded server knows no TLS, no key and one namespace, whatever is configured for others.
  if (embeddedAddress !== undefined) return { connection: { address: embeddedAddress }, namespace: 'default' };
  const { connectionOptions, namespace } = loadClientConnectConfig();
  return { connection: connectionOptions, namespace: namespace ?? 'default' };
}

/**
 * The SDK's own runtime, once a process. It would trap SIGTERM and stop the worker before the dispatcher: the order of
 * stopping is ours (stop.ts). Its metrics are told on the port of ours.
 */
export async function installRuntime(): Promise<void> {
  const { port, bindAddress } = await reserveExporter();
  Runtime.install({
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: { core: 'WARN', other: 'WARN' }, forward: {} },
      metrics: {
        prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
      },
    },
    logger: quietLogger,
  });
  useExporter(port);
}

const quietLogger = {
  log: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: (message: string) => process.stderr.write(`${JSON.stringify({ level: 40, part: 'temporal', msg: message })}\n`),
  error: (message: string) =>
    process.stderr.write(`${JSON.stringify({ level: 50, part: 'temporal', msg: message })}\n`),
};

const connectForMs = 60_000;

/** `NativeConnection.connect` needs the server up: at boot it may be a moment behind. */
export async function connectToTemporal(settings: TemporalSettings): Promise<NativeConnection> {
  const giveUpAt = Date.now() + connectForMs;
  for (;;) {
    try {
      return await NativeConnection.connect(settings.connection);
    } catch (error) {
      if (Date.now() > giveUpAt) {
        throw new Error(
          `No Temporal server at ${settings.connection.address ?? 'localhost:7233'}. Start it, or set TEMPORAL_ADDRESS.`,
          { cause: error },
        );
      }
      await delay(1_000);
    }
  }
}
