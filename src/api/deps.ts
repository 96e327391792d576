import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ModelObject } from '../catalogue/model-object.ts';
import type { PlanResult, Wish } from '../catalogue/plan.ts';
import type { Connections, Database } from '../db/pool.ts';
import type { JobId } from '../domain/job.ts';
import type { VideoProvider } from '../providers/provider.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Operator } from './admin/operator.ts';
import type { JobCaps } from './accept/queue-caps.ts';
import type { WebhookDeps } from './webhooks/webhook-deps.ts';

/** Everything that the API needs of the world. */
export interface AppDeps {
  readonly pool: Connections;
  /** For reports, whose statements take longer than others may: a few connections of their own. Absent: `pool`. */
  readonly reports?: Database;
  readonly plan: (wish: Wish) => PlanResult;
  /** What `GET /v1/models` answers. */
  readonly models: readonly ModelObject[];
  /** By the name in callback URLs. */
  readonly providers: ReadonlyMap<string, Pick<VideoProvider, 'readCallback'>>;
  readonly store: ObjectStore;
  /** Where callers reach this API, for URLs of ours. Absent: by the host that they called. */
  readonly publicUrl?: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly defaultModel: string;
  /** Absent: everybody on this machine may call, and `main` listens on loopback only. */
  readonly apiKey?: string;
  /** Nobody may call without a key, also where there is no static one: tenants have theirs in the database. */
  readonly requireKeys?: boolean;
  /** Of pages that may call with a key or a token in hand, as browsers send them. */
  readonly corsOrigins?: readonly string[];
  /** What holds for a tenant that has no caps of its own. Absent: as many as there are. */
  readonly queueCaps?: JobCaps;
  /** Of a tenant that has no limit of its own. Absent: as many as there are. */
  readonly requestsPerMinute?: number;
  /** Every answer says that a simulator made the video. */
  readonly servedBySimulator?: boolean;
  /** How long a job may wait before it counts as stuck. Absent: five minutes. */
  readonly stuckAfterMs?: number;
  /** Asks the workflow itself. Best effort: it may reject or take its time. */
  readonly queryTimeline?: (jobId: JobId) => Promise<unknown>;
  /** Absent: endpoints are kept, and nobody is called. */
  readonly webhooks?: WebhookDeps;
  /** For operators' calls. Absent: no workflow can be asked. */
  readonly operator?: Operator;
  /** Called after a commit that wrote mail for workflows. */
  readonly notifyMail: () => void;
  /** Called after a commit that accepted jobs. */
  readonly notifyAccepted: () => void;
  /** Called after a commit that deleted a job: objects and providers are for a worker. */
  readonly notifyErased?: () => void;
  readonly logger: Logger;
  readonly registry: Registry;
}

/** Whose jobs the static key speaks for, and no key at all. */
export const defaultTenant = 'default';
