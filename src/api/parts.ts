import { leaseRequests } from '../db/tenants/rates.ts';
import { findClientTokenSecret, findUrlSecret } from '../db/tenants/signing-keys.ts';
import { limits } from '../domain/limits/limits.ts';
import { createAcceptor } from './accept/accept-jobs.ts';
import { type Admission, createAdmission } from './load/admission.ts';
import { type Authenticator, createAuthenticator } from './auth/authenticator.ts';
import { createByteBudget } from './input/byte-budget.ts';
import { createClientTokens } from './auth/client-token.ts';
import type { AppDeps } from './deps.ts';
import type { FindVideoDeps } from './reading/find-video.ts';
import { createJobReader, createPlaceReader } from './reading/job-reader.ts';
import { createLineViews } from './reading/line-views.ts';
import { type ApiMetrics, createApiMetrics, registerAdmissionMetrics } from './metrics.ts';
import { createQueueGate, noJobCaps } from './accept/queue-caps.ts';
import { createWaitGate } from './accept/queue-wait.ts';
import { createRequestQuota, type RequestQuota } from './load/request-quota.ts';
import { createRetryInference } from './accept/retry-inference.ts';
import type { CreateVideoDeps } from './routes/create-video.ts';
import { createSpendCap } from './accept/spend-cap.ts';
import { createStreamDeps, type StreamDeps } from './streams/stream-deps.ts';
import { createUploadKeeper } from './input/upload-keeper.ts';
import { createUploadSigner, type UploadSigner } from './input/upload-signer.ts';

/** What one process of the API has in memory and shares between its requests. */
export interface Parts {
  readonly app: AppDeps;
  readonly metrics: ApiMetrics;
  readonly admission: Admission;
  readonly authenticator: Authenticator;
  readonly quota: RequestQuota;
  readonly signer: UploadSigner;
  /** For whoever accepts jobs. */
  readonly accept: CreateVideoDeps;
  /** For whoever reads them. */
  readonly find: FindVideoDeps & AppDeps;
  /** For whoever follows them. */
  readonly streaming: StreamDeps;
  /** Resolves once every job that was sent to be accepted has its answer. */
  drain(): Promise<void>;
}

export function createParts(app: AppDeps): Parts {
  const { pool, clock } = app;
  const metrics = createApiMetrics(app.registry);
  const admission = createAdmission({ onShed: (kind) => metrics.shed.inc({ kind }) });
  registerAdmissionMetrics(app.registry, admission);
  const tokens = createClientTokens(() => findClientTokenSecret(pool));
  const authenticator = createAuthenticator({ app, tokens });
  const spendCap = createSpendCap(pool, clock);
  const lines = createLineViews(pool, clock);
  const find = { ...app, spendCap, lines, jobs: createJobReader(pool), places: createPlaceReader(pool) };
  const streaming = createStreamDeps({ find, clock, authenticator, metrics });
  const accept = {
    app,
    metrics,
    tokens,
    spendCap,
    acceptor: createAcceptor(pool, (size) => metrics.batchJobs.observe(size)),
    keeper: createUploadKeeper(pool),
    retries: createRetryInference(pool),
    queueGate: createQueueGate(pool, clock, app.queueCaps ?? noJobCaps),
    waitGate: createWaitGate(lines),
    budget: createByteBudget(limits.uploadBytesMax),
  };
  return {
    app,
    metrics,
    admission,
    authenticator,
    quota: createRequestQuota({ lease: (wish) => leaseRequests(pool, wish), clock }),
    signer: createUploadSigner(() => findUrlSecret(pool)),
    accept,
    find,
    streaming,
    async drain() {
      streaming.tail.stop();
      streaming.topics.stop();
      admission.stop();
      await Promise.all([accept.acceptor.drain(), accept.keeper.drain(), accept.retries.drain()]);
    },
  };
}
