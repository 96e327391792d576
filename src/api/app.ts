import express, { type Express } from 'express';
import { findUrlSecret } from '../db/signing-keys.ts';
import { limits } from '../domain/limits.ts';
import { createAcceptor } from './accept-jobs.ts';
import { createByteBudget } from './byte-budget.ts';
import type { AppDeps } from './deps.ts';
import { createLineViews } from './line-views.ts';
import { createApiMetrics } from './metrics.ts';
import { allowAnyOrigin } from './middleware/allow-any-origin.ts';
import { authenticate } from './middleware/authenticate.ts';
import { limitUploads } from './middleware/limit-uploads.ts';
import { methodNotAllowed } from './middleware/method-not-allowed.ts';
import { requestId } from './middleware/request-id.ts';
import { answerProblems, Problem } from './problem.ts';
import { readJsonBytes } from './read-body.ts';
import { cancelVideo } from './routes/cancel-video.ts';
import { createUpload } from './routes/create-upload.ts';
import { createVideo } from './routes/create-video.ts';
import { getContent } from './routes/get-content.ts';
import { getModel } from './routes/get-model.ts';
import { getProblem } from './routes/get-problem.ts';
import { getTimeline } from './routes/get-timeline.ts';
import { getVideo } from './routes/get-video.ts';
import { listModels } from './routes/list-models.ts';
import { providerCallback, readCallbackBytes } from './routes/provider-callback.ts';
import { putUpload } from './routes/put-upload.ts';
import { createQueueGate, noQueueCaps } from './queue-caps.ts';
import { createSpendCap } from './spend-cap.ts';
import { createUploadKeeper } from './upload-keeper.ts';
import { createUploadSigner } from './upload-signer.ts';

export interface App {
  readonly handler: Express;
  /** Resolves once every job that was sent to be accepted has its answer. Called when no request comes any more. */
  drain(): Promise<void>;
}

/** The public API, in the order in which a request meets it. */
export function createApp(deps: AppDeps): App {
  const metrics = createApiMetrics(deps.registry);
  const acceptor = createAcceptor(deps.pool, (size) => metrics.batchJobs.observe(size));
  const spendCap = createSpendCap(deps.pool, deps.clock);
  const queueGate = createQueueGate(deps.pool, deps.clock, deps.queueCaps ?? noQueueCaps);
  const lines = createLineViews(deps.pool, deps.clock);
  const budget = createByteBudget(limits.uploadBytesMax);
  const keeper = createUploadKeeper(deps.pool);
  const signer = createUploadSigner(() => findUrlSecret(deps.pool));

  const handler = express();
  handler.disable('x-powered-by');
  handler.set('query parser', 'simple');
  handler.use(requestId());

  handler
    .route('/v1/callbacks/:provider/:attempt/:token')
    .post(readCallbackBytes(), providerCallback(deps, metrics))
    .all(methodNotAllowed('POST'));
  handler.route('/problems/:code').get(getProblem()).all(methodNotAllowed('GET, HEAD'));
  handler
    .route('/v1/uploads/:id')
    .all(allowAnyOrigin('PUT'))
    .put(putUpload({ app: deps, signer }))
    .all(methodNotAllowed('PUT, OPTIONS'));

  handler.use('/v1', authenticate(deps.apiKey));
  handler.route('/v1/models').get(listModels(deps)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/models/:id').get(getModel(deps)).all(methodNotAllowed('GET, HEAD'));
  handler
    .route('/v1/uploads')
    .post(readJsonBytes(limits.jsonBodyBytesMax), createUpload({ app: deps, keeper, signer }))
    .all(methodNotAllowed('POST'));
  handler
    .route('/v1/videos')
    .post(
      limitUploads(budget),
      readJsonBytes(),
      createVideo({ app: deps, acceptor, keeper, spendCap, queueGate, budget, metrics }),
    )
    .all(methodNotAllowed('POST'));
  handler
    .route('/v1/videos/:id')
    .get(getVideo({ ...deps, spendCap, lines }))
    .all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/videos/:id/timeline').get(getTimeline(deps)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/videos/:id/content').get(getContent(deps)).all(methodNotAllowed('GET, HEAD'));
  handler
    .route('/v1/videos/:id/cancel')
    .post(cancelVideo({ ...deps, spendCap, lines }))
    .all(methodNotAllowed('POST'));

  handler.use(() => {
    throw new Problem('not_found');
  });
  handler.use(answerProblems({ logger: deps.logger, onProblem: (code) => metrics.problems.inc({ code }) }));
  return {
    handler,
    async drain() {
      await Promise.all([acceptor.drain(), keeper.drain()]);
    },
  };
}
