import { z } from 'zod';
import { limits } from './domain/limits/limits.ts';
import { ageLimits } from './domain/limits/age-limits.ts';
import { defaultWorkerTuning, workerQueues } from './domain/worker-tuning.ts';

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

const queuesMessage = `has to be some of ${workerQueues.join(', ')}, with commas between them`;

const queues = z.string().transform((text, context) => {
  const words = text.split(',').map((word) => word.trim());
  const chosen = workerQueues.filter((queue) => words.includes(queue));
  if (chosen.length !== words.length) context.addIssue({ code: 'custom', message: queuesMessage });
  return chosen;
});

/** So many things at once, by default as many as the worker was measured with. */
const atOnce = (fallback: number, [min, max]: readonly [min: number, max: number] = [1, 10_000]) =>
  z.coerce.number().int().min(min).max(max).default(fallback);

/** They go into commands of whoever deploys. Temporal takes no dot in the first one, since it joins the two by it. */
const deploymentName = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/, { error: 'has to be letters, digits, - and _ alone' })
  .max(limits.buildNameCharsMax);
const buildId = z
  .string()
  .regex(/^[A-Za-z0-9._-]+$/, { error: 'has to be letters, digits, dots, - and _ alone' })
  .max(limits.buildNameCharsMax);

/**
 * Every environment variable there is: its form, its default, and one sentence of why. README's table is checked
 * against this list by a test. Read here and nowhere else.
 */
export const variables = {
  DATABASE_URL: z
    .string()
    .optional()
    .describe('Postgres 15 or newer. `start` and `demo` run an embedded one without it.'),
  DATABASE_DIRECT_URL: z
    .string()
    .optional()
    .describe(
      'The same Postgres without the pooler in between, where `DATABASE_URL` leads to one in transaction mode: wake-ups need a session. Default: `DATABASE_URL`.',
    ),
  TEMPORAL_ADDRESS: z
    .string()
    .optional()
    .describe(
      'Temporal frontend, `host:port`; the further `TEMPORAL_*` variables of `@temporalio/envconfig` work too. `start` and `demo` run a dev server without it.',
    ),
  TEMPORAL_CONFIG_FILE: z
    .string()
    .optional()
    .describe('A `temporal.toml` with the connection, instead of or beside the variables.'),
  TEMPORAL_PROFILE: z.string().optional().describe('Which profile of that file. Default: `default`.'),
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
      'Nobody may call without a key, also where `SPILLWAY_API_KEY` is not set: tenants have theirs in the database. Then `/v1/admin` takes a key of those with the scope `admin`.',
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
  JOBS_KEPT_DAYS: z.coerce
    .number()
    .int()
    .min(ageLimits.jobDaysKeptMin)
    .max(ageLimits.jobDaysKeptMax)
    .default(ageLimits.jobDaysKeptDefault)
    .describe('Jobs are forgotten so many days after their end, but for what they cost. Their videos may go earlier.'),
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
  PAYLOAD_ENCRYPTION_KEYS: encryptionKeys
    .optional()
    .describe(
      'Keys that everything in Temporal’s histories is encrypted with, in the same form. Without them histories can be read: they hold ids, never prompts or keys.',
    ),
  PAYLOAD_CODEC_KEY: z
    .string()
    .min(32)
    .regex(/^[\w-]*$/, { error: 'has to be letters, digits, - and _ alone' })
    .optional()
    .describe(
      'Opens `/codec/decode` and `/codec/encode` on the ops port, with which Temporal UI shows what is encrypted.',
    ),
  WORKER_QUEUES: queues
    .optional()
    .describe(
      'What a worker serves, of `workflows,checks,assets,webhooks`; all without it. Grants, deliveries and repairs run where `workflows` is served.',
    ),
  WORKER_WORKFLOW_SLOTS: atOnce(defaultWorkerTuning.workflowSlots, [2, 1_000]).describe('Workflow tasks at once.'),
  WORKER_WORKFLOW_POLLERS: atOnce(defaultWorkerTuning.workflowPollers, [2, 1_000]).describe(
    'Requests for workflow tasks that wait at Temporal.',
  ),
  WORKER_CACHED_WORKFLOWS: atOnce(defaultWorkerTuning.cachedWorkflows, [2, 100_000]).describe(
    'Workflows kept in memory, about 1 MB each. Others are read again from their histories.',
  ),
  WORKER_ACTIVITY_SLOTS: atOnce(defaultWorkerTuning.activitySlots).describe('Submits and other activities at once.'),
  WORKER_ACTIVITY_POLLERS: atOnce(defaultWorkerTuning.activityPollers).describe(
    'Requests for activities that wait at Temporal.',
  ),
  WORKER_CHECK_SLOTS: atOnce(defaultWorkerTuning.checkSlots).describe('Questions to providers at once.'),
  WORKER_ASSET_SLOTS: atOnce(defaultWorkerTuning.assetSlots).describe('Videos copied at once.'),
  WORKER_WEBHOOK_SLOTS: atOnce(defaultWorkerTuning.webhookSlots).describe('Retries of webhooks at once.'),
  WORKER_RELAY_HANDS: atOnce(defaultWorkerTuning.relayHands).describe(
    'Workflows that are started, and letters to them that are delivered, at once.',
  ),
  WORKER_BUILD_ID: buildId
    .optional()
    .describe(
      'The build that a worker is of, such as a commit. With it Temporal keeps every job on the build that began it; without it workers take whatever there is.',
    ),
  WORKER_DEPLOYMENT_NAME: deploymentName
    .default('spillway')
    .describe('What Temporal calls the builds of this deployment together.'),
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

/** Ours that may be files (`NAME_FILE`), as may the keys and webhook secrets that the catalogue names. */
export const secretVariables = [
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'SPILLWAY_API_KEY',
  'ENCRYPTION_KEYS',
  'PAYLOAD_ENCRYPTION_KEYS',
  'PAYLOAD_CODEC_KEY',
  'TEMPORAL_API_KEY',
] as const;

export const environmentSchema = z.object(variables);

export type Environment = z.infer<typeof environmentSchema>;
