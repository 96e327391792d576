import { Client, Connection } from '@temporalio/client';
import type { Logger } from 'pino';
import { register } from 'prom-client';
import { createApp } from '../api/app.ts';
import type { OpenVideo } from '../api/deps.ts';
import { createOpsApp } from '../api/ops-app.ts';
import { listen } from '../api/server.ts';
import { plan } from '../catalogue/plan.ts';
import type { Catalogue } from '../catalogue/schema.ts';
import type { Config, Secrets } from '../config.ts';
import { timelineQueryName } from '../contracts/generate-video.ts';
import { createPool } from '../db/pool.ts';
import { createWakeUps } from '../db/wake-ups.ts';
import { createLocalImageStore } from '../storage/image-store.ts';
import type { Stoppable } from './stop.ts';
import type { TemporalSettings } from './temporal.ts';
import type { Vendors } from './vendors.ts';

export interface ApiSettings {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings;
  readonly catalogue: Catalogue;
  readonly vendors: Vendors;
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}

export interface RunningApi extends Stoppable {
  readonly url: string;
  readonly opsUrl: string;
}

const queryTimeoutMs = 2_000;

/** The API needs Postgres. Temporal is looked up lazily: jobs are accepted while it is down. */
export async function runApi(settings: ApiSettings): Promise<RunningApi> {
  const { config, secrets, catalogue, vendors, log } = settings;
  const onError = (error: Error): void => log.warn({ err: error }, 'idle database connection broke');
  const pool = createPool({ url: settings.databaseUrl, connectionsMax: 10, name: 'api', onError });
  const connection = Connection.lazy(settings.temporal.connection);
  const client = new Client({ connection, namespace: settings.temporal.namespace });
  const wakeUps = createWakeUps(pool);
  const planSettings = {
    callbacks: settings.publicUrl !== undefined,
    pricesNeeded: config.spendCapUsd !== undefined,
    stoppable: vendors.stoppable,
  };

  const app = createApp({
    pool,
    plan: (wish) => plan(catalogue, planSettings, wish),
    providers: vendors.providers,
    images: createLocalImageStore(`${config.dataDirectory}/images`),
    openVideo: openFrom(vendors),
    clock: Date.now,
    defaultModel: Object.keys(catalogue.models)[0] ?? '',
    ...(secrets.apiKey === undefined ? {} : { apiKey: secrets.apiKey }),
    servedBySimulator: config.simulated,
    queryTimeline: (jobId) =>
      client.withDeadline(Date.now() + queryTimeoutMs, () => client.workflow.getHandle(jobId).query(timelineQueryName)),
    notifyMail: () => {
      wakeUps.send('mail');
      wakeUps.send('grant');
    },
    notifyAccepted: () => wakeUps.send('grant'),
    logger: log,
    registry: register,
  });
  let closing = false;
  const temporalReady = async (): Promise<boolean> => {
    await connection.withDeadline(Date.now() + 1_000, () => connection.ensureConnected());
    return true;
  };
  const opsApp = createOpsApp({ pool, temporalReady, registry: register, isClosing: () => closing });
  const server = await listen(app.handler, { host: config.api.host, port: config.api.port });
  const ops = await listen(opsApp, { host: config.api.host, port: config.api.opsPort });
  return {
    url: server.url,
    opsUrl: ops.url,
    async stop() {
      closing = true;
      await server.close();
      await app.drain();
      await ops.close();
      await pool.end();
      await connection.close();
    },
  };
}

/** A video lies at the vendor that made it, or on that vendor's public storage. */
function openFrom({ openVideo }: Vendors): OpenVideo {
  return async (url, range) => {
    let refusal: unknown;
    for (const open of openVideo.values()) {
      try {
        return await open({ url, ...(range === undefined ? {} : { range }) });
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  };
}
