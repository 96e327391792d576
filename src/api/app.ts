import type { RequestListener } from 'node:http';
import express, { type Express } from 'express';
import { addAdminRoutes } from './admin/admin-routes.ts';
import type { AppDeps } from './deps.ts';
import { accessLog } from './middleware/access-log.ts';
import { authenticate } from './middleware/authenticate.ts';
import { cors } from './middleware/cors.ts';
import { rateLimit } from './middleware/rate-limit.ts';
import { requestId } from './middleware/request-id.ts';
import { addPages, addPermittedRoutes } from './open-routes.ts';
import { createParts } from './parts.ts';
import { answerProblems, Problem } from './problems/problem.ts';
import { addVideoRoutes } from './video-routes.ts';
import { addWebhookRoutes } from './webhooks/webhook-routes.ts';

export interface App {
  readonly handler: RequestListener;
  /** What stands behind admission, for whoever asks which routes there are. */
  readonly routes: Express;
  /** Another process says that there are new events. */
  wakeEvents(): void;
  /** Sends away whoever follows events or waits for an end: they are to go on elsewhere. Streams would never end by themselves. */
  endStreams(): void;
  /** Resolves once every job that was sent to be accepted has its answer. Called when no request comes any more. */
  drain(): Promise<void>;
}

/** The public API, in the order in which a request meets it. */
export function createApp(deps: AppDeps): App {
  const { logger } = deps;
  const parts = createParts(deps);
  const { metrics, admission, streaming } = parts;
  const handler = express();
  handler.disable('x-powered-by');
  handler.set('query parser', 'simple');
  handler.use(requestId());
  handler.use(accessLog({ logger, metrics }));

  addPermittedRoutes(handler, parts);
  handler.use('/v1', cors(deps.corsOrigins ?? []), authenticate(parts.authenticator));
  handler.use('/v1', rateLimit(parts.quota, deps.requestsPerMinute ?? null));
  addVideoRoutes(handler, parts);
  addWebhookRoutes(handler, deps);
  addAdminRoutes(handler, deps);
  addPages(handler, parts);

  handler.use(() => {
    throw new Problem('not_found');
  });
  handler.use(answerProblems({ logger, onProblem: (code) => metrics.problems.inc({ code }) }));
  return {
    handler: admission.guard(handler),
    routes: handler,
    wakeEvents: () => streaming.tail.wake(),
    endStreams: () => streaming.streams.drain(),
    drain: () => parts.drain(),
  };
}
