import { join } from 'node:path';
import { z } from 'zod';

/** `localhost:8080` is a URL too, of the scheme `localhost`. */
const webUrl = z.url({ protocol: /^https?$/, error: 'has to begin with http:// or https://' });

const splitOrigins = (text: string): readonly string[] => text.split(',').map((origin) => origin.trim());
const isOrigin = (text: string): boolean =>
  /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

/** As browsers send them: no path, no slash at the end, no port that goes without saying. */
const origins = z
  .string()
  .refine((text) => splitOrigins(text).every(isOrigin), {
    error: 'has to be origins like https://app.example.com, with commas between them',
  })
  .transform(splitOrigins);

const encryptionKeyMessage = 'has to be id:base64 with 32 bytes of base64, such as k1:$(openssl rand -base64 32)';

/** The first key is the current one. */
const encryptionKeys = z.string().transform((text, context) => {
  const keys = text.split(',').map((one) => {
    const [, id = '', base64 = ''] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(one.trim()) ?? [];
    return { id, key: Buffer.from(base64, 'base64') };
  });
  const areFine = keys.every(({ id }) => id !== '') && new Set(keys.map(({ id }) => id)).size === keys.length;
  if (!areFine) context.addIssue({ code: 'custom', message: encryptionKeyMessage });
  return keys;
});

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
  TEMPORAL_UI_URL: webUrl.optional().describe('Where Temporal UI is, for links.'),
  SPILLWAY_API_KEY: z
    .string()
    .min(16)
    .optional()
    .describe(
      'The key that clients send as `Authorization: Bearer`, for the tenant `default`. Without it the server binds to loopback only, unless `REQUIRE_KEYS` is set.',
    ),
  REQUIRE_KEYS: z
    .stringbool()
    .default(false)
    .describe(
      'Nobody may call without a key, also where `SPILLWAY_API_KEY` is not set: tenants have theirs in the database.',
    ),
  CORS_ORIGINS: origins
    .optional()
    .describe('Origins of pages that may call the API with a key or a client token, with commas between them.'),
  HOST: z
    .string()
    .optional()
    .describe('Address that the API binds to. Default: all where a key is asked for, loopback without.'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080).describe('Port of the API.'),
  OPS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(9090)
    .describe('Port of `/healthz`, `/readyz` and `/metrics`.'),
  OPS_HOST: z.string().default('127.0.0.1').describe('Address of that port. It is not for the public.'),
  PUBLIC_URL: webUrl
    .optional()
    .describe(
      'Where providers reach this API, by https. Without it no callback is registered and every job is polled.',
    ),
  SPEND_CAP_USD: z
    .union([z.literal('none'), z.coerce.number().nonnegative()])
    .optional()
    .describe(
      'Nothing is bought beyond this sum, over all jobs ever; `none` lifts the cap. Kept in the database: without the variable the last one stands.',
    ),
  QUEUED_MAX: z.coerce.number().int().positive().optional().describe('Jobs that may wait at once; more are refused.'),
  QUEUED_PER_USER_MAX: z.coerce.number().int().positive().optional().describe('The same for the jobs of one `user`.'),
  OUTSTANDING_MAX: z.coerce
    .number()
    .int()
    .positive()
    .optional()
    .describe('Jobs of a tenant that may wait or be under way at once; more are refused.'),
  REQUESTS_PER_MINUTE: z.coerce
    .number()
    .int()
    .positive()
    .optional()
    .describe('Requests of a tenant in a minute; more are refused. A tenant may have limits of its own.'),
  CATALOGUE_PATH: z.string().default('models.yaml').describe('The catalogue of models and targets.'),
  DATA_DIRECTORY: z
    .string()
    .default('.spillway')
    .describe(
      'Pictures and videos without `S3_BUCKET`, and the data of embedded servers. Several processes must share it.',
    ),
  S3_BUCKET: z
    .string()
    .optional()
    .describe('Pictures and videos go to this bucket. Keys come from the usual places of the AWS SDK.'),
  S3_REGION: z.string().default('us-east-1').describe('Region of the bucket.'),
  S3_ENDPOINT: webUrl.optional().describe('Another S3-compatible service than AWS.'),
  S3_PUBLIC_ENDPOINT: webUrl
    .optional()
    .describe('Where clients reach that service, for signed URLs. Default: `S3_ENDPOINT`.'),
  S3_PREFIX: z.string().default('').describe('Every key in the bucket begins with it.'),
  S3_PATH_STYLE: z.stringbool().default(false).describe('The bucket’s name goes into the path, not into the host.'),
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
  BREAKERS: z
    .stringbool()
    .default(true)
    .describe('Whether a target that fails is left alone for a while. Off: its jobs are tried there all the same.'),
  SHUTDOWN_WAIT_SECONDS: z.coerce
    .number()
    .min(0)
    .max(15)
    .default(0)
    .describe(
      'How long the API serves on after it has said that it is not ready: until load balancers look elsewhere.',
    ),
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
  ENCRYPTION_KEYS: encryptionKeys
    .optional()
    .describe(
      'Keys that webhook secrets are sealed with, `id:base64` of 32 bytes each, with commas between them. The first one seals, all of them open.',
    ),
  WEBHOOK_ALLOW_PRIVATE: z
    .stringbool()
    .default(false)
    .describe('Webhooks may go to this machine and its network, and by plain http. Refused in production.'),
  SIMULATOR_URL: webUrl
    .optional()
    .describe('Every provider is played by the simulator there; answers say so. Refused in production.'),
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
  NODE_ENV: z.string().optional().describe('`production` forbids the simulator, and callbacks that can’t be verified.'),
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
    readonly requireKeys: boolean;
    readonly corsOrigins: readonly string[];
    readonly shutdownWaitMs: number;
  };
  /** Undefined: what the database has stands. */
  readonly spendCapUsd: number | 'none' | undefined;
  /** Jobs that may wait at once, of a tenant and of one of its users. Null: as many as there are. */
  readonly queueCaps: {
    readonly queuedMax: number | null;
    readonly queuedPerUserMax: number | null;
    /** Those that wait and those under way. */
    readonly outstandingMax: number | null;
  };
  /** Of a tenant. Undefined: as many as there are. */
  readonly requestsPerMinute: number | undefined;
  readonly cataloguePath: string;
  readonly dataDirectory: string;
  /** Undefined: pictures and videos are files in the data directory. */
  readonly s3: S3Config | undefined;
  /** Programs that were fetched once: Temporal's CLI. */
  readonly cacheDirectory: string;
  readonly logLevel: Environment['LOG_LEVEL'];
  readonly submittingMax: number;
  readonly breakers: boolean;
  readonly stuckAfterMs: number;
  readonly reconcileEveryMs: number;
  readonly simulator: {
    readonly port: number;
    readonly seed: number;
    readonly timeScale: number;
    readonly tier: Environment['SIMULATOR_TIER'];
  };
  readonly webhookAllowPrivate: boolean;
  /** Where the simulator plays every provider, and every answer says so. */
  readonly simulatorUrl: string | undefined;
  readonly isProduction: boolean;
  /** The process's search path, where the embedded servers look for binaries. */
  readonly searchPath: string;
}

export interface S3Config {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly publicEndpoint: string | undefined;
  readonly prefix: string;
  readonly pathStyle: boolean;
}

/** Apart from `Config`, so that a config can be logged. */
export interface Secrets {
  readonly apiKey: string | undefined;
  /** What secrets of our subscribers are sealed with, the current one first. Empty: they are kept as they are. */
  readonly encryptionKeys: readonly { readonly id: string; readonly key: Buffer }[];
  /** What a variable that the catalogue names holds: a provider's key, its webhook secret, its account level. */
  readonly variable: (name: string) => string | undefined;
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
      encryptionKeys: values.ENCRYPTION_KEYS ?? [],
      variable: (name) => given[name],
    },
  };
}

function configOf(values: Environment, searchPath: string): Config {
  return {
    databaseUrl: values.DATABASE_URL,
    temporal: { address: values.TEMPORAL_ADDRESS, cliPath: values.TEMPORAL_CLI_PATH, uiUrl: values.TEMPORAL_UI_URL },
    api: {
      host: values.HOST ?? (isOpen(values) ? '127.0.0.1' : '0.0.0.0'),
      port: values.PORT,
      opsHost: values.OPS_HOST,
      opsPort: values.OPS_PORT,
      publicUrl: values.PUBLIC_URL?.replace(/\/+$/, ''),
      requireKeys: values.REQUIRE_KEYS,
      corsOrigins: values.CORS_ORIGINS ?? [],
      shutdownWaitMs: values.SHUTDOWN_WAIT_SECONDS * 1_000,
    },
    spendCapUsd: values.SPEND_CAP_USD,
    queueCaps: {
      queuedMax: values.QUEUED_MAX ?? null,
      queuedPerUserMax: values.QUEUED_PER_USER_MAX ?? null,
      outstandingMax: values.OUTSTANDING_MAX ?? null,
    },
    requestsPerMinute: values.REQUESTS_PER_MINUTE,
    cataloguePath: values.CATALOGUE_PATH,
    dataDirectory: values.DATA_DIRECTORY,
    s3: s3Config(values),
    cacheDirectory: join(values.DATA_DIRECTORY, 'cache'),
    logLevel: values.LOG_LEVEL,
    submittingMax: values.SUBMITTING_MAX,
    breakers: values.BREAKERS,
    stuckAfterMs: values.STUCK_AFTER_SECONDS * 1_000,
    reconcileEveryMs: values.RECONCILE_EVERY_SECONDS * 1_000,
    simulator: {
      port: values.SIMULATOR_PORT,
      seed: values.SIMULATOR_SEED,
      timeScale: values.SIMULATOR_TIME_SCALE,
      tier: values.SIMULATOR_TIER,
    },
    webhookAllowPrivate: values.WEBHOOK_ALLOW_PRIVATE,
    simulatorUrl: values.SIMULATOR_URL?.replace(/\/+$/, ''),
    isProduction: values.NODE_ENV === 'production',
    searchPath,
  };
}

function s3Config(values: Environment): S3Config | undefined {
  if (values.S3_BUCKET === undefined) return undefined;
  return {
    bucket: values.S3_BUCKET,
    region: values.S3_REGION,
    endpoint: values.S3_ENDPOINT,
    publicEndpoint: values.S3_PUBLIC_ENDPOINT ?? values.S3_ENDPOINT,
    prefix: values.S3_PREFIX,
    pathStyle: values.S3_PATH_STYLE,
  };
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

function refuseContradictions(values: Environment): void {
  const { HOST, SIMULATOR_URL, NODE_ENV } = values;
  if (SIMULATOR_URL !== undefined && NODE_ENV === 'production') {
    throw new ConfigError(
      'SIMULATOR_URL is set and NODE_ENV is production: the simulator sells no videos. Leave one of them out.',
    );
  }
  if (values.WEBHOOK_ALLOW_PRIVATE && NODE_ENV === 'production') {
    throw new ConfigError(
      'WEBHOOK_ALLOW_PRIVATE is set and NODE_ENV is production: callers could reach your network. Leave it out.',
    );
  }
  if (HOST !== undefined && !loopback.has(HOST) && isOpen(values)) {
    throw new ConfigError(
      `HOST is ${HOST} and SPILLWAY_API_KEY is not set: set a key, or REQUIRE_KEYS=true where tenants have theirs in ` +
        'the database, or leave HOST out to bind to loopback.',
    );
  }
}

/** Whoever reaches the API may use it. */
function isOpen({ SPILLWAY_API_KEY, REQUIRE_KEYS }: Environment): boolean {
  return SPILLWAY_API_KEY === undefined && !REQUIRE_KEYS;
}
