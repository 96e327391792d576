import type { Express } from 'express';
import { limits } from '../domain/limits/limits.ts';
import { limitUploads } from './middleware/limit-uploads.ts';
import { methodNotAllowed } from './middleware/method-not-allowed.ts';
import { absentCalls } from './openapi/absent-calls.ts';
import type { Parts } from './parts.ts';
import { readJsonBytes } from './input/read-body.ts';
import { cancelVideo } from './routes/cancel-video.ts';
import { createUpload } from './routes/create-upload.ts';
import { createVideo } from './routes/create-video.ts';
import { deleteVideo } from './routes/delete-video.ts';
import { getContent } from './routes/get-content.ts';
import { getModel } from './routes/get-model.ts';
import { getTimeline } from './routes/get-timeline.ts';
import { getUsage } from './routes/get-usage.ts';
import { getVideo } from './routes/get-video.ts';
import { listModels } from './routes/list-models.ts';
import { listVideos } from './routes/list-videos.ts';
import { notSupportedHere } from './routes/not-supported-here.ts';
import { streamEvents } from './routes/stream-events.ts';
import { streamSocket } from './routes/stream-socket.ts';
import { streamVideoEvents } from './routes/stream-video-events.ts';

/** The calls by which a tenant has videos made, follows them, and sees what they cost. Mounted behind authentication. */
export function addVideoRoutes(handler: Express, { app, accept, find, streaming, signer }: Parts): void {
  // First of all: every path that is tried before costs a flood time.
  handler
    .route('/v1/videos')
    .post(limitUploads(accept.budget), readJsonBytes(), createVideo(accept))
    .get(listVideos({ ...app, cursors: streaming.cursors }))
    .all(methodNotAllowed('GET, HEAD, POST'));
  addAbsentCalls(handler);
  handler
    .route('/v1/videos/:id')
    .get(getVideo({ ...streaming, ...find }))
    .delete(deleteVideo(app))
    .all(methodNotAllowed('GET, HEAD, DELETE'));
  handler.route('/v1/videos/:id/cancel').post(cancelVideo(find)).all(methodNotAllowed('POST'));
  handler.route('/v1/videos/:id/content').get(getContent(app)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/videos/:id/timeline').get(getTimeline(app)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/videos/:id/events').get(streamVideoEvents(streaming)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/events').get(streamEvents(streaming)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/stream').get(streamSocket(streaming)).all(methodNotAllowed('GET'));
  handler.route('/v1/models').get(listModels(app)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/models/:id').get(getModel(app)).all(methodNotAllowed('GET, HEAD'));
  handler.route('/v1/usage').get(getUsage(app)).all(methodNotAllowed('GET, HEAD'));
  handler
    .route('/v1/uploads')
    .post(readJsonBytes(limits.jsonBodyBytesMax), createUpload({ app, keeper: accept.keeper, signer }))
    .all(methodNotAllowed('POST'));
}

/** Before the paths with an id, which some of them look like. */
function addAbsentCalls(handler: Express): void {
  for (const { method, path, what } of absentCalls) {
    const route = handler.route(path.replace('{id}', ':id'));
    route[method](notSupportedHere(what)).all(methodNotAllowed(method === 'get' ? 'GET, HEAD' : 'POST'));
  }
}
