import { setTimeout as delay } from 'node:timers/promises';
import { Client, type ConnectionLike } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime, type NativeConnectionOptions } from '@temporalio/worker';
import { ConfigError, type Config, type Secrets } from '../../config.ts';
import { faultsOfConnection } from './connection-faults.ts';
import { payloadConverterOf } from './payloads.ts';
import { reserveExporter, useExporter } from '../metrics/temporal-metrics.ts';

/** Address, TLS, key and namespace as `@temporalio/envconfig` reads them; an embedded server's address goes first. */
export interface TemporalSettings {
  readonly connection: NativeConnectionOptions;
  readonly namespace: string;
  /** How payloads are kept. Absent: as they are. */
  readonly dataConverter?: DataConverter;
}

/** What is configured for Temporal, and with what its payloads are encrypted. */
export interface TemporalConfig {
  readonly config: Pick<Config, 'temporal'>;
  readonly secrets: Pick<Secrets, 'payloadKeys' | 'temporalEnvironment'>;
}

/** Throws `ConfigError` where no server is named, or where what names it can't be read. */
export function readTemporalSettings({ config, secrets }: TemporalConfig, embeddedAddress?: string): TemporalSettings {
  const converter = payloadConverterOf(secrets.payloadKeys);
  // An embedded server knows no TLS, no key and one namespace, whatever is configured for others.
  if (embeddedAddress !== undefined)
    return { connection: { address: embeddedAddress }, namespace: 'default', ...converter };
  const { connectionOptions, namespace } = config.temporal.isConfigured ? load(secrets.temporalEnvironment) : nowhere;
  if (connectionOptions.address === undefined)
    throw new ConfigError(
      'TEMPORAL_ADDRESS is not set, nor do TEMPORAL_CONFIG_FILE and TEMPORAL_PROFILE name an address. Set one of them, or use `npm start`, which brings its own servers.',
    );
  const faults = faultsOfConnection(connectionOptions);
  if (faults.length > 0) throw new ConfigError(faults.join('\n'));
  return { connection: connectionOptions, namespace: namespace ?? 'default', ...converter };
}

const nowhere: ReturnType<typeof loadClientConnectConfig> = { connectionOptions: {} };

function load(overrideEnvVars: Record<string, string>): ReturnType<typeof loadClientConnectConfig> {
  try {
    const { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: profile } = overrideEnvVars;
    // The key of a file in somebody's home directory would go to whatever address is configured here.
    return loadClientConnectConfig({ overrideEnvVars, disableFile: file === undefined && profile === undefined });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'it is not readable';
    throw new ConfigError(
      `The connection to Temporal can't be read: ${reason}. Check TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE and TEMPORAL_TLS_*.`,
      { cause },
    );
  }
}

/** Every client of ours: one that encrypts nothing would fail to read what the others have written. */
export function createTemporalClient(settings: TemporalSettings, connection: ConnectionLike): Client {
  const { namespace, dataConverter } = settings;
  return new Client({ connection, namespace, ...(dataConverter && { dataConverter }) });
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
      if (Date.now() > giveUpAt) throw noServer(settings, error);
      await delay(1_000);
    }
  }
}

const notFoundCode = 5;

/** What to say when nobody answers: with TLS and keys in play, silence has more reasons than an address. */
export function noServer({ connection, namespace }: TemporalSettings, cause: unknown): Error {
  if (cause instanceof Error && 'code' in cause && cause.code === notFoundCode)
    return new Error(
      `Temporal has no namespace ${namespace}. Create it with \`temporal operator namespace create --namespace ${namespace}\`, or set TEMPORAL_NAMESPACE.`,
      { cause },
    );
  const reason = cause instanceof Error ? ` (${cause.message.split('\n')[0]?.slice(0, 200)})` : '';
  const address = connection.address ?? 'localhost:7233';
  return new Error(
    `Temporal did not answer at ${address}${reason}. Start it, or check TEMPORAL_ADDRESS, TEMPORAL_TLS_* and TEMPORAL_API_KEY.`,
    { cause },
  );
}
