import { z } from 'zod';
import { streamQuerySchema } from '../routes/stream-socket.ts';
import type { Operation } from './operation.ts';
import { jobEventSchema, videoId, videoSchema } from './video-schemas.ts';

/** A message of Server-Sent Events. OpenAPI 3.1 has no word for what its `data` is; the descriptions say it. */
const message = z.object({
  id: z.string().optional(),
  event: z.string().optional(),
  data: z.string().optional().meta({ contentMediaType: 'application/json' }),
});

const eventStream = (example: string) => ({ 'text/event-stream': { schema: message, example } });

const tenantEventSchema = z
  .object({ video_id: videoId, ...jobEventSchema.shape })
  .meta({ id: 'TenantEvent', description: 'An event of any job of the tenant.' });

/** What a WebSocket is sent, one message each. */
const streamMessageSchema = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('event'),
      cursor: z.string().optional().meta({ description: 'For `after`, of the tenant’s stream.' }),
      ...tenantEventSchema.shape,
    }),
    z.object({ type: z.literal('video'), video: videoSchema }),
    z.object({
      type: z.literal('ready'),
      cursor: z
        .string()
        .meta({ description: 'The first message of the tenant’s stream: whoever is cut off comes back to here.' }),
    }),
  ])
  .meta({ id: 'StreamMessage' });

export const streamSchemas = [jobEventSchema, tenantEventSchema, streamMessageSchema];

const videoEvents = `retry: 2417

event: video
data: {"id":"video_01932f0e-1c6b-7d2a-9d3c-0123456789ab","status":"in_progress","progress":40}

id: 2
event: attempt.started
data: {"seq":2,"at":"2026-11-21T12:00:00.000Z","kind":"attempt.started","data":{"attempt":1}}

`;

const tenantEvents = `id: mT0x
event: job.completed
data: {"video_id":"video_01932f0e-1c6b-7d2a-9d3c-0123456789ab","seq":5,"at":"2026-11-21T12:01:00.000Z","kind":"job.completed","data":{}}

`;

/** The `id` of the last message seen, in a header or, for who can't set one, in the URL. */
function after(id: z.ZodString) {
  return {
    headers: z.object({ 'Last-Event-ID': id.optional().meta({ description: 'The `id` of the last message seen.' }) }),
    query: z.object({
      last_event_id: z.string().optional().meta({ description: 'The same, for who can’t set headers.' }),
    }),
  };
}

/** The same events three ways. Webhooks are the fourth. */
export const streamOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/videos/{id}/events',
    id: 'streamVideoEvents',
    tag: 'Streams',
    summary: 'Follow a video by Server-Sent Events, to its end.',
    description:
      'Messages with an `id` are the job’s events (`JobEvent`): dense, from the first or from the one after ' +
      '`Last-Event-ID`. Messages `event: video` have no id and hold the whole video, as it is when the stream begins, ' +
      'when its progress or its place in line changes, and at its end. A comment every 15 seconds keeps the line open.',
    scope: 'read',
    takesClientToken: true,
    params: z.object({ id: videoId }),
    ...after(z.string().regex(/^([0-9]{1,9})?$/)),
    answers: {
      200: { description: 'The events.', content: eventStream(videoEvents) },
      204: { description: 'The last event was seen before: there is no more to come, and no reason to come back.' },
    },
    problems: ['invalid_id', 'invalid_request', 'video_not_found', 'too_many_streams'],
  },
  {
    method: 'get',
    path: '/v1/events',
    id: 'streamEvents',
    tag: 'Streams',
    summary: 'Follow all videos of the tenant by Server-Sent Events.',
    description: 'Each `id` is an opaque place, for `Last-Event-ID`; the data is a `TenantEvent`.',
    scope: 'read',
    ...after(z.string()),
    answers: { 200: { description: 'The events, from now or from the place on.', content: eventStream(tenantEvents) } },
    problems: ['invalid_request', 'not_found', 'too_many_streams'],
  },
  {
    method: 'get',
    path: '/v1/stream',
    id: 'openStream',
    tag: 'Streams',
    summary: 'Follow all videos of the tenant, or one, by WebSocket.',
    description: 'Each message is a `StreamMessage` as JSON. Nothing has to be sent.',
    scope: 'read',
    takesClientToken: true,
    query: streamQuerySchema.omit({ token: true }).extend({
      video: videoId.optional().meta({ description: 'Of this video only.' }),
      after: streamQuerySchema.shape.after.meta({
        description: 'The `cursor` of the last message seen, or of one video its last `seq`.',
      }),
    }),
    answers: { 101: { description: 'The stream.' } },
    problems: ['invalid_id', 'invalid_request', 'video_not_found', 'upgrade_required', 'too_many_streams'],
  },
];
