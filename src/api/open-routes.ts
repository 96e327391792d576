import type { Express } from 'express';
import { findUrlSecret } from '../db/tenants/signing-keys.ts';
import { allowAnyOrigin } from './middleware/allow-any-origin.ts';
import { methodNotAllowed } from './middleware/method-not-allowed.ts';
import { pageHeaders } from './page-headers.ts';
import type { Parts } from './parts.ts';
import { callbackEcho } from './routes/callback-echo.ts';
import { docsPages } from './routes/get-docs.ts';
import { getOpenApi } from './routes/get-openapi.ts';
import { createPage } from './routes/get-page.ts';
import { getProblem } from './routes/get-problem.ts';
import { providerCallback, readCallbackBytes } from './routes/provider-callback.ts';
import { putUpload } from './routes/put-upload.ts';

/** Calls that take no key: their paths carry a permission of their own. */
export function addPermittedRoutes(handler: Express, { app, metrics, signer }: Parts): void {
  handler
    .route('/v1/callbacks/echo/:question')
    .post(callbackEcho({ clock: app.clock, findSecret: () => findUrlSecret(app.pool) }))
    .all(methodNotAllowed('POST'));
  handler
    .route('/v1/callbacks/:provider/:attempt/:token')
    .post(readCallbackBytes(), providerCallback(app, metrics))
    .all(methodNotAllowed('POST'));
  handler
    .route('/v1/uploads/:id')
    .all(allowAnyOrigin('PUT'))
    .put(putUpload({ app, signer }))
    .all(methodNotAllowed('PUT, OPTIONS'));
}

/** Pages that are the same for everybody. */
export function addPages(handler: Express, { app }: Pick<Parts, 'app'>): void {
  handler.route('/problems/:code').get(getProblem()).all(methodNotAllowed('GET, HEAD'));
  handler.route('/openapi.json').get(getOpenApi()).all(methodNotAllowed('GET, HEAD'));
  const page = createPage(app);
  handler.route('/').get(page.home).all(methodNotAllowed('GET, HEAD'));
  handler.route('/page/:file').get(page.file).all(methodNotAllowed('GET, HEAD'));
  for (const { path, send } of docsPages())
    handler.route(path).get(pageHeaders(), send).all(methodNotAllowed('GET, HEAD'));
}
