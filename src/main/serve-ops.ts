import { Connection } from '@temporalio/client';
import type { Logger } from 'pino';
import { register } from 'prom-client';
import { createOpsApp } from '../api/ops-app.ts';
import { listen } from '../api/server.ts';
import type { Config, Secrets } from '../config.ts';
import { createPool } from '../db/pool.ts';
import { registerCapacityMetrics } from './metrics/capacity-metrics.ts';
import { registerProcessMetrics } from './metrics/process-metrics.ts';
import { createPayloadCodec } from '../operations/payload-codec.ts';
import { type Stoppable, startTogether } from './stop.ts';
import { readTemporalMetrics } from './metrics/temporal-metrics.ts';
import type { TemporalSettings } from './temporal/connection.ts';

export interface OpsSettings {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings;
  readonly log: Logger;
}

export interface RunningOps extends Stoppable {
  readonly url: string;
  /** Load balancers look elsewhere from now on, while the last requests end. */
  close(): void;
}

/** Health, readiness and metrics of a process, on a port and on connections of their own. */
export async function serveOps({ config, secrets, databaseUrl, temporal, log }: OpsSettings): Promise<RunningOps> {
  const onError = (error: unknown): void => log.warn({ err: error }, 'health check lost its database connection');
  return await startTogether(onError, async (started) => {
    const pool = createPool({ url: databaseUrl, connectionsMax: 1, name: 'ops', onError });
    started.add({ stop: () => pool.end() });
    // Whoever asks whether we are there does not wait for the figures that somebody else asks for.
    const probed = createPool({ url: databaseUrl, connectionsMax: 1, name: 'ready', onError });
    started.add({ stop: () => probed.end() });
    const connection = Connection.lazy(temporal.connection);
    started.add({ stop: () => connection.close() });

    let closing = false;
    const temporalReady = async (): Promise<boolean> => {
      await connection.withDeadline(Date.now() + 1_000, () => connection.ensureConnected());
      return true;
    };
    registerCapacityMetrics(register, pool, log);
    registerProcessMetrics(register);
    const app = createOpsApp({
      pool: probed,
      temporalReady,
      registry: register,
      furtherMetrics: readTemporalMetrics,
      isClosing: () => closing,
      onError: (error) => log.error({ err: error }, 'a request for health, metrics or payloads failed'),
      ...codecOf(config, secrets),
    });
    const server = await listen(app, { host: config.api.opsHost, port: config.api.opsPort });
    started.add({ stop: () => server.close(1_000) });
    return { url: server.url, close: () => void (closing = true) };
  });
}

/** Off unless it has a key of its own: whoever reads payloads there needs no access to Temporal. */
function codecOf(
  { temporal }: Config,
  { payloadKeys, payloadCodecKey: key }: Secrets,
): Pick<Parameters<typeof createOpsApp>[0], 'codec'> {
  if (key === undefined) return {};
  const origin = temporal.uiUrl === undefined ? {} : { origin: new URL(temporal.uiUrl).origin };
  return { codec: { codec: createPayloadCodec(payloadKeys), key, ...origin } };
}
