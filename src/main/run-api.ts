import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { register } from 'prom-client';
import { createApp } from '../api/app.ts';
import type { AppDeps } from '../api/deps.ts';
import { listen } from '../api/server.ts';
import { activeModels } from '../catalogue/availability.ts';
import { createPlanner } from '../catalogue/planner.ts';
import { publishModels } from '../catalogue/publish.ts';
import type { Catalogue } from '../catalogue/schema.ts';
import type { Config, Secrets } from '../config.ts';
import { timelineQueryName } from '../contracts/generate-video.ts';
import { createPool } from '../db/pool.ts';
import { findSpendCap } from '../db/scheduler/pools.ts';
import { createWakeUps, listenToWakeUps } from '../db/wake-ups.ts';
import { limits } from '../domain/limits/limits.ts';
import { refuseMending } from '../operations/put-back.ts';
import { createObjectStore } from './object-store.ts';
import { serveOps } from './serve-ops.ts';
import { type Stoppable, startTogether } from './stop.ts';
import { createTemporalClient, type TemporalSettings } from './temporal/connection.ts';
import type { Vendors } from './vendors/vendors.ts';
import { createWebhookDeps, webhookNotice } from './webhooks.ts';

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
  const { config, databaseUrl, temporal, log } = settings;
  const notice = webhookNotice(settings.secrets);
  if (notice !== undefined) log.warn({ notice }, 'webhooks');
  const onError = (error: unknown): void => log.warn({ err: error }, 'idle connection broke');
  return await startTogether(onError, async (started) => {
    const ops = started.add(await serveOps(settings));
    const connection = Connection.lazy(temporal.connection);
    started.add({ stop: () => connection.close() });
    const pool = createPool({ url: databaseUrl, connectionsMax: 10, name: 'api', onError });
    started.add({ stop: () => pool.end() });
    const reports = createPool({
      url: databaseUrl,
      connectionsMax: 2,
      name: 'reports',
      statementTimeoutMs: limits.usageReadMsMax,
      onError,
    });
    started.add({ stop: () => reports.end() });

    const app = createApp({ ...(await appDeps(settings, { pool, connection })), reports });
    started.add({ stop: () => app.drain() });
    const listener = listenToWakeUps(
      config.databaseDirectUrl ?? databaseUrl,
      (kinds) => kinds.includes('events') && app.wakeEvents(),
    );
    started.add({ stop: () => listener.close() });
    // A cancel would end jobs before what was sent for them is known again.
    await refuseMending(pool);
    const server = await listen(app.handler, { host: config.api.host, port: config.api.port });
    started.add({ stop: () => server.close() });
    started.add({ stop: async () => app.endStreams() });
    started.add({
      async stop() {
        ops.close();
        await delay(config.api.shutdownWaitMs);
      },
    });
    return { url: server.url, opsUrl: ops.url };
  });
}

async function appDeps(
  settings: ApiSettings,
  { pool, connection }: { pool: Pool; connection: Connection },
): Promise<AppDeps> {
  const { config, secrets, catalogue, vendors, log } = settings;
  const client = createTemporalClient(settings.temporal, connection);
  const wakeUps = createWakeUps(pool);
  const planSettings = { providers: vendors.traits, pricesNeeded: (await findSpendCap(pool)) !== null };
  return {
    pool,
    plan: createPlanner(catalogue, planSettings),
    models: publishModels(catalogue, vendors.traits),
    providers: vendors.providers,
    store: createObjectStore(config),
    ...(settings.publicUrl === undefined ? {} : { publicUrl: settings.publicUrl }),
    clock: Date.now,
    queueCaps: config.queueCaps,
    ...(config.requestsPerMinute === undefined ? {} : { requestsPerMinute: config.requestsPerMinute }),
    defaultModel: activeModels(catalogue, vendors.traits)[0] ?? '',
    ...(secrets.apiKey === undefined ? {} : { apiKey: secrets.apiKey }),
    requireKeys: config.api.requireKeys,
    corsOrigins: config.api.corsOrigins,
    servedBySimulator: config.simulatorUrl !== undefined,
    webhooks: createWebhookDeps(settings),
    stuckAfterMs: config.stuckAfterMs,
    queryTimeline: (jobId) =>
      client.withDeadline(Date.now() + queryTimeoutMs, () => client.workflow.getHandle(jobId).query(timelineQueryName)),
    operator: { temporal: () => Promise.resolve(client), stuckAfterMs: config.stuckAfterMs },
    notifyMail: () => {
      wakeUps.send('mail');
      wakeUps.send('grant');
      wakeUps.send('events');
    },
    notifyAccepted: () => wakeUps.send('grant'),
    notifyErased: () => wakeUps.send('erase'),
    logger: log,
    registry: register,
  };
}
