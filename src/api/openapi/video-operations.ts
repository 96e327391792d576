import { z } from 'zod';
import { createVideoOperation } from './create-video-operation.ts';
import { limits } from '../../domain/limits/limits.ts';
import { listQuerySchema } from '../routes/list-videos.ts';
import type { Operation } from './operation.ts';
import {
  cancelledVideoSchema,
  deletedVideoSchema,
  timelineSchema,
  videoId,
  videoListSchema,
  videoSchema,
} from './video-schemas.ts';

const videoParams = z.object({ id: videoId });
const videoContent = { 'application/json': { schema: videoSchema } };
const readProblems = ['invalid_id', 'video_not_found'] as const;
const ifNoneMatch = z.string().optional().meta({ description: 'An `ETag` of before: 304 where nothing has changed.' });

/** Everything about videos but their streams. */
export const videoOperations: readonly Operation[] = [
  createVideoOperation,
  {
    method: 'get',
    path: '/v1/videos',
    id: 'listVideos',
    tag: 'Videos',
    summary: 'List the videos of the tenant, a page at a time.',
    scope: 'read',
    query: listQuerySchema.extend({
      after: listQuerySchema.shape.after.meta({
        description: 'The `next_cursor` or the `last_id` of the page before, or the id of a video.',
      }),
      limit: z
        .int()
        .min(1)
        .max(999_999_999)
        .default(limits.listedDefault)
        .meta({ description: `More than ${limits.listedMax} is taken as ${limits.listedMax}.` }),
      order: listQuerySchema.shape.order.meta({ description: 'By the time of acceptance.' }),
    }),
    answers: { 200: { description: 'A page.', content: { 'application/json': { schema: videoListSchema } } } },
    problems: ['invalid_request'],
  },
  {
    method: 'get',
    path: '/v1/videos/{id}',
    id: 'getVideo',
    tag: 'Videos',
    summary: 'Read a video.',
    description: 'Always 200 for its owner, whatever became of it. `Retry-After` says when there may be news.',
    scope: 'read',
    takesClientToken: true,
    params: videoParams,
    headers: z.object({
      'If-None-Match': ifNoneMatch,
      Prefer: z
        .string()
        .optional()
        .meta({ description: '`wait=N`: answers when the job has ended, or after N ≤ 30 seconds.' }),
    }),
    answers: {
      200: {
        description: 'The video.',
        content: videoContent,
        headers: ['ETag', 'Retry-After', 'Preference-Applied'],
      },
      304: { description: 'It is as it was.', headers: ['ETag'] },
    },
    problems: readProblems,
  },
  {
    method: 'get',
    path: '/v1/videos/{id}/content',
    id: 'getVideoContent',
    tag: 'Videos',
    summary: 'Download the video.',
    scope: 'read',
    takesClientToken: true,
    params: videoParams,
    query: z.object({
      variant: z
        .enum(['video', 'thumbnail', 'spritesheet'])
        .optional()
        .meta({ description: 'Of OpenAI’s three only `video` is made here; the others are a typed 404.' }),
    }),
    headers: z.object({
      Range: z.string().optional().meta({ description: 'One range of bytes.' }),
      'If-None-Match': ifNoneMatch,
    }),
    answers: {
      200: { description: 'The whole video.', content: videoBytes(), headers: ['ETag'] },
      206: { description: 'The part that was asked for.', content: videoBytes(), headers: ['ETag', 'Content-Range'] },
      302: {
        description: 'The video lies there: a signed link, for five minutes.',
        headers: ['Location', 'ETag'],
        content: { 'text/plain': { schema: { type: 'string' } }, 'text/html': { schema: { type: 'string' } } },
      },
      304: { description: 'It is as it was.', headers: ['ETag'] },
    },
    problems: [
      ...readProblems,
      'invalid_request',
      'not_supported_here',
      'video_not_ready',
      'video_gone',
      'range_not_satisfiable',
      'storage_unavailable',
    ],
  },
  {
    method: 'get',
    path: '/v1/videos/{id}/timeline',
    id: 'getVideoTimeline',
    tag: 'Videos',
    summary: 'Read the story of a video: its events, and every attempt at a provider.',
    scope: 'read',
    params: videoParams,
    answers: { 200: { description: 'The story.', content: { 'application/json': { schema: timelineSchema } } } },
    problems: readProblems,
  },
  {
    method: 'post',
    path: '/v1/videos/{id}/cancel',
    id: 'cancelVideo',
    tag: 'Videos',
    summary: 'Cancel a video.',
    description: 'Ends a waiting job at once, asks for the end of one under way, and changes no job that has ended.',
    scope: 'write',
    params: videoParams,
    answers: {
      200: {
        description: 'The video as it is now, and what the cancel has come to.',
        content: { 'application/json': { schema: cancelledVideoSchema } },
      },
    },
    problems: readProblems,
  },
  {
    method: 'delete',
    path: '/v1/videos/{id}',
    id: 'deleteVideo',
    tag: 'Videos',
    summary: 'Delete a video, and everything that was sent for it.',
    description:
      'In any phase: one that is under way is cancelled first. What can’t be erased at once is, without another call. ' +
      'The receipt says what is gone, what is pending, and what the providers have said.',
    scope: 'write',
    params: videoParams,
    answers: {
      200: { description: 'A receipt.', content: { 'application/json': { schema: deletedVideoSchema } } },
    },
    problems: readProblems,
  },
];

function videoBytes() {
  return { 'video/mp4': { schema: { type: 'string', format: 'binary' } } } as const;
}
