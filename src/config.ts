import { join } from 'node:path';
import { z } from 'zod';

/**
 * Every environment variable there is: its form, its default, and one sentence of why. README's table is checked
 * against this list by a test. Read here and nowhere else.
 */
export const variables = {
  DATABASE_URL: z
    .string()
    .optional()
    .describe('Postgres 15 or newer. `start` and `demo` run an embedded one without it.'),
  TEMPORAL_ADDRESS: z
    .string()
    .optional()
    .describe(
      'Temporal frontend, `host:port`; the further `TEMPORAL_*` variables of `@temporalio/envconfig` work too. `start` and `demo` run a dev server without it.',
    ),
  TEMPORAL_CLI_PATH: z
    .string()
    .optional()
    .describe('The `temporal` binary for the embedded dev server, when it is not on `PATH`.'),
  TEMPORAL_UI_URL: z.url().optional().describe('Where Temporal UI is, for links.'),
  SPILLWAY_API_KEY: z
    .string()
    .min(16)
    .optional()
    .describe('The key that clients send as `Authorization: Bearer`. Without it the server binds to loopback only.'),
  HOST: z.string().optional().describe('Address that the API binds to. Default: all with a key, loopback without.'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080).describe('Port of the API.'),
  OPS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(9090)
    .describe('Port of `/healthz`, `/readyz` and `/metrics`.'),
  OPS_HOST: z.string().default('127.0.0.1').describe('Address of that port. It is not for the public.'),
  PUBLIC_URL: z
    .url()
    .optional()
    .describe('Where providers reach this API. Without it no callback is registered and every job is polled.'),
  WAVESPEED_API_KEY: z.string().optional().describe('The key of the WaveSpeed account that pays.'),
  WAVESPEED_WEBHOOK_SECRET: z
    .string()
    .optional()
    .describe('Verifies WaveSpeed’s callbacks. Without it a callback only causes a poll.'),
  WAVESPEED_TIER: z
    .enum(['bronze', 'silver', 'gold', 'ultra'])
    .optional()
    .describe('Account level of WaveSpeed, over the catalogue’s preset.'),
  WAVESPEED_BASE_URL: z
    .url()
    .optional()
    .describe('Another WaveSpeed origin, over the catalogue’s: a proxy, or the simulator.'),
  SPEND_CAP_USD: z
    .union([z.literal('none'), z.coerce.number().nonnegative()])
    .optional()
    .describe(
      'Nothing is bought beyond this sum, over all jobs ever; `none` lifts the cap. Kept in the database: without the variable the last one stands.',
    ),
  CATALOGUE_PATH: z.string().default('models.yaml').describe('The catalogue of models and targets.'),
  DATA_DIRECTORY: z
    .string()
    .default('.spillway')
    .describe('Input pictures, and the data of embedded servers. Several processes must share it.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('How much is logged, as JSON lines on standard error.'),
  SUBMITTING_MAX: z.coerce
    .number()
    .int()
    .positive()
    .default(50)
    .describe('Submits without an answer that a pool may have, over all workers.'),
  STUCK_AFTER_SECONDS: z.coerce
    .number()
    .positive()
    .default(300)
    .describe('A job that waits longer is shown in Temporal UI before it has a permit.'),
  RECONCILE_EVERY_SECONDS: z.coerce
    .number()
    .positive()
    .default(60)
    .describe('How often Postgres, Temporal and the providers are compared.'),
  SIMULATED: z
    .stringbool()
    .default(false)
    .describe('The vendor at `WAVESPEED_BASE_URL` is the simulator; answers say so. Refused in production.'),
  SIMULATOR_PORT: z.coerce.number().int().min(0).max(65_535).default(8090).describe('Port of `npm run simulator`.'),
  SIMULATOR_SEED: z.coerce.number().int().default(1).describe('Same seed, same run.'),
  SIMULATOR_TIME_SCALE: z.coerce
    .number()
    .positive()
    .default(0.1)
    .describe('Durations of the simulator, as a share of the real ones.'),
  SIMULATOR_TIER: z
    .enum(['bronze', 'silver', 'gold', 'ultra'])
    .default('silver')
    .describe('Account level that the simulator plays.'),
  NODE_ENV: z.string().optional().describe('`production` forbids the simulator.'),
};

const environmentSchema = z.object(variables);

export type Environment = z.infer<typeof environmentSchema>;

/** What is wrong with the configuration, a sentence a line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

export interface Config {
  readonly databaseUrl: string | undefined;
  readonly temporal: {
    readonly address: string | undefined;
    readonly cliPath: string | undefined;
    readonly uiUrl: string | undefined;
  };
  readonly api: {
    readonly host: string;
    readonly port: number;
    readonly opsHost: string;
    readonly opsPort: number;
    readonly publicUrl: string | undefined;
  };
  readonly wavespeed: {
    readonly tier: Environment['WAVESPEED_TIER'];
    readonly baseUrl: string | undefined;
  };
  /** Undefined: what the database has stands. */
  readonly spendCapUsd: number | 'none' | undefined;
  readonly cataloguePath: string;
  readonly dataDirectory: string;
  /** Programs that were fetched once: Temporal's CLI. */
  readonly cacheDirectory: string;
  readonly logLevel: Environment['LOG_LEVEL'];
  readonly submittingMax: number;
  readonly stuckAfterMs: number;
  readonly reconcileEveryMs: number;
  readonly simulator: {
    readonly port: number;
    readonly seed: number;
    readonly timeScale: number;
    readonly tier: Environment['SIMULATOR_TIER'];
  };
  /** Vendors are played by the simulator, and every answer says so. */
  readonly simulated: boolean;
  readonly isProduction: boolean;
  /** The process's search path, where the embedded servers look for binaries. */
  readonly searchPath: string;
}

/** Apart from `Config`, so that a config can be logged. */
export interface Secrets {
  readonly apiKey: string | undefined;
  readonly wavespeedApiKey: string | undefined;
  readonly wavespeedWebhookSecret: string | undefined;
}

/** Reads the environment once. Throws `ConfigError` that names every variable that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): { config: Config; secrets: Secrets } {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
  const values = parsed.data;
  refuseContradictions(values);
  return {
    config: configOf(values, environment['PATH'] ?? ''),
    secrets: {
      apiKey: values.SPILLWAY_API_KEY,
      wavespeedApiKey: values.WAVESPEED_API_KEY,
      wavespeedWebhookSecret: values.WAVESPEED_WEBHOOK_SECRET,
    },
  };
}

function configOf(values: Environment, searchPath: string): Config {
  return {
    databaseUrl: values.DATABASE_URL,
    temporal: { address: values.TEMPORAL_ADDRESS, cliPath: values.TEMPORAL_CLI_PATH, uiUrl: values.TEMPORAL_UI_URL },
    api: {
      host: values.HOST ?? (values.SPILLWAY_API_KEY === undefined ? '127.0.0.1' : '0.0.0.0'),
      port: values.PORT,
      opsHost: values.OPS_HOST,
      opsPort: values.OPS_PORT,
      publicUrl: values.PUBLIC_URL?.replace(/\/+$/, ''),
    },
    wavespeed: { tier: values.WAVESPEED_TIER, baseUrl: values.WAVESPEED_BASE_URL },
    spendCapUsd: values.SPEND_CAP_USD,
    cataloguePath: values.CATALOGUE_PATH,
    dataDirectory: values.DATA_DIRECTORY,
    cacheDirectory: join(values.DATA_DIRECTORY, 'cache'),
    logLevel: values.LOG_LEVEL,
    submittingMax: values.SUBMITTING_MAX,
    stuckAfterMs: values.STUCK_AFTER_SECONDS * 1_000,
    reconcileEveryMs: values.RECONCILE_EVERY_SECONDS * 1_000,
    simulator: {
      port: values.SIMULATOR_PORT,
      seed: values.SIMULATOR_SEED,
      timeScale: values.SIMULATOR_TIME_SCALE,
      tier: values.SIMULATOR_TIER,
    },
    simulated: values.SIMULATED,
    isProduction: values.NODE_ENV === 'production',
    searchPath,
  };
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

function refuseContradictions({ HOST, SPILLWAY_API_KEY, SIMULATED, NODE_ENV, WAVESPEED_BASE_URL }: Environment): void {
  if (SIMULATED && NODE_ENV === 'production') {
    throw new ConfigError(
      'SIMULATED is set and NODE_ENV is production: the simulator sells no videos. Leave one of them out.',
    );
  }
  if (SIMULATED && WAVESPEED_BASE_URL === undefined) {
    throw new ConfigError('SIMULATED is set and WAVESPEED_BASE_URL is not: say where the simulator listens.');
  }
  if (HOST !== undefined && !loopback.has(HOST) && SPILLWAY_API_KEY === undefined) {
    throw new ConfigError(
      `HOST is ${HOST} and SPILLWAY_API_KEY is not set: set a key, or leave HOST out to bind to loopback.`,
    );
  }
}
