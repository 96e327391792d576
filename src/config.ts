import { join } from 'node:path';
import { ConfigError } from './config-error.ts';
import { readSecret, readSecrets } from './config-files.ts';
import { type Environment, environmentSchema, secretVariables, variables } from './config-variables.ts';
import type { Build } from './domain/build.ts';
import { faultsOfTuning, workerQueues, type WorkerTuning } from './domain/worker-tuning.ts';
import { faultOfHeaderSecret } from './config-headers.ts';

export { ConfigError, faultOfHeaderSecret, secretVariables, variables };

export interface Config {
  readonly databaseUrl: string | undefined;
  /** For what needs a session of its own, where a pooler stands before the other. */
  readonly databaseDirectUrl: string | undefined;
  readonly temporal: {
    readonly address: string | undefined;
    /** An address, a file or a profile is named. What lies in the home directory does not count: nobody said so. */
    readonly isConfigured: boolean;
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
  /** After their end. */
  readonly jobDaysKept: number;
  readonly worker: WorkerTuning;
  /** What Temporal calls all builds of the workers together. */
  readonly workerDeployment: string;
  /** Undefined: workers are not versioned. */
  readonly workerBuild: Build | undefined;
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
  /**
   * What `@temporalio/envconfig` is to read instead of the process's own: the API key may have come from a file, and an
   * empty one counts as none, where the package would take it for a key and ask for TLS.
   */
  readonly temporalEnvironment: Readonly<Record<string, string>>;
  /** What secrets of our subscribers are sealed with, the current one first. Empty: they are kept as they are. */
  readonly encryptionKeys: readonly { readonly id: string; readonly key: Buffer }[];
  /** What Temporal's histories are encrypted with, the current one first. Empty: they can be read. */
  readonly payloadKeys: readonly { readonly id: string; readonly key: Buffer }[];
  readonly payloadCodecKey: string | undefined;
  /** What a variable that the catalogue names holds: a provider's key, its webhook secret, its account level. */
  readonly variable: (name: string) => string | undefined;
}

/** Reads the environment once. Throws `ConfigError` that names every variable that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): { config: Config; secrets: Secrets } {
  const given = withoutEmpty(environment);
  const secrets = readSecrets(given, secretVariables);
  refuseUnsendable(secrets);
  const parsed = environmentSchema.safeParse({ ...given, ...secrets });
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
  const values = parsed.data;
  refuseContradictions(values);
  return {
    config: configOf(values, environment['PATH'] ?? ''),
    secrets: {
      apiKey: values.SPILLWAY_API_KEY,
      encryptionKeys: values.ENCRYPTION_KEYS ?? [],
      payloadKeys: values.PAYLOAD_ENCRYPTION_KEYS ?? [],
      payloadCodecKey: values.PAYLOAD_CODEC_KEY,
      temporalEnvironment: { ...given, ...secrets },
      variable: (name) => readSecret(given, name),
    },
  };
}

/** The others of them are compared with what callers send, or are sent in no header. */
function refuseUnsendable({ TEMPORAL_API_KEY: key }: Readonly<Record<string, string>>): void {
  const fault = key === undefined ? undefined : faultOfHeaderSecret('TEMPORAL_API_KEY', key);
  if (fault !== undefined) throw new ConfigError(fault);
}

function withoutEmpty(environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, value]],
    ),
  );
}

function configOf(values: Environment, searchPath: string): Config {
  return {
    databaseUrl: values.DATABASE_URL,
    databaseDirectUrl: values.DATABASE_DIRECT_URL,
    temporal: {
      address: values.TEMPORAL_ADDRESS,
      isConfigured: [values.TEMPORAL_ADDRESS, values.TEMPORAL_CONFIG_FILE, values.TEMPORAL_PROFILE].some(Boolean),
      cliPath: values.TEMPORAL_CLI_PATH,
      uiUrl: values.TEMPORAL_UI_URL,
    },
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
    jobDaysKept: values.JOBS_KEPT_DAYS,
    worker: workerTuning(values),
    workerDeployment: values.WORKER_DEPLOYMENT_NAME,
    workerBuild: workerBuild(values),
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

function workerBuild({ WORKER_DEPLOYMENT_NAME, WORKER_BUILD_ID }: Environment): Build | undefined {
  if (WORKER_BUILD_ID === undefined) return undefined;
  return { deploymentName: WORKER_DEPLOYMENT_NAME, buildId: WORKER_BUILD_ID };
}

function workerTuning(values: Environment): WorkerTuning {
  return {
    queues: values.WORKER_QUEUES ?? workerQueues,
    workflowSlots: values.WORKER_WORKFLOW_SLOTS,
    workflowPollers: values.WORKER_WORKFLOW_POLLERS,
    cachedWorkflows: values.WORKER_CACHED_WORKFLOWS,
    activitySlots: values.WORKER_ACTIVITY_SLOTS,
    activityPollers: values.WORKER_ACTIVITY_POLLERS,
    checkSlots: values.WORKER_CHECK_SLOTS,
    assetSlots: values.WORKER_ASSET_SLOTS,
    webhookSlots: values.WORKER_WEBHOOK_SLOTS,
    relayHands: values.WORKER_RELAY_HANDS,
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
  const faults = faultsOfTuning(workerTuning(values));
  if (faults.length > 0) throw new ConfigError(faults.join('\n'));
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
