import { z } from 'zod';
import type { JobPhase } from '../../domain/job.ts';
import { stuckCauses } from '../../domain/stuck.ts';

export const phase = z.enum([
  'queued',
  'in_progress',
  'completed',
  'failed',
  'cancelled',
] satisfies readonly JobPhase[]);
const unixSeconds = z.int().min(0).meta({ description: 'Seconds since the epoch.' });

export const videoId = z
  .string()
  .meta({ pattern: '^video_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' });

const usd = z.number().min(0);

const queueSchema = z
  .object({
    position: z.int().min(0).nullable().meta({
      description:
        'The place in line, 1 being the next; 0: has left it and is about to start. Null: nobody has counted.',
    }),
    eta_seconds: z.int().min(0).nullable().meta({
      description: 'Until the video is made, or sooner in four cases of five. Null: nobody knows.',
    }),
    reason: z
      .enum([
        'waiting_capacity',
        'waiting_rate',
        'waiting_budget',
        'waiting_target',
        'waiting_operator',
        'waiting_retry',
        'starting',
      ])
      .meta({ description: 'Why it has not started yet. docs/queue.md says what each means.' }),
  })
  .meta({ id: 'Queue' });

export const outputSchema = z
  .object({
    url: z.string().meta({ description: 'A path of this API. It takes the key, or the `client_token` of the job.' }),
    content_type: z.string(),
    bytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .meta({ id: 'Output' });

const requestedSchema = z
  .object({ model: z.string(), seconds: z.string().nullable(), size: z.string().nullable() })
  .meta({ id: 'Requested', description: 'What was asked for, where a retired model is served by another one.' });

const videoFields = {
  id: videoId,
  object: z.literal('video'),
  status: phase,
  progress: z.int().min(0).max(100).meta({
    description: 'Time taken over the typical time. It never falls, and is 100 only when the video is there.',
  }),
  created_at: unixSeconds,
  completed_at: unixSeconds.nullable(),
  expires_at: unixSeconds.nullable().meta({ description: 'Until when our copy of the video is kept.' }),
  model: z.string(),
  prompt: z.string().nullable(),
  seconds: z.string().nullable().meta({ description: 'Text, as in OpenAI’s dialect.' }),
  size: z.string().nullable(),
  requested: requestedSchema.nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable().meta({ description: 'Why there is no video.' }),
  queue: queueSchema.nullable().meta({ description: 'Only while the job waits.' }),
  served_by: z
    .object({ provider: z.string(), model: z.string() })
    .nullable()
    .meta({ description: 'Who works on it, or has made it. `simulator`: nobody was paid, and the video is a sample.' }),
  attempts: z.int().min(0).meta({ description: 'How often it was sent to a provider.' }),
  outputs: z.array(outputSchema),
  cost_usd: usd.nullable().meta({ description: 'What it has cost so far. Null: nothing is known yet.' }),
  estimated_cost_usd: usd.nullable().meta({
    description: 'What it is expected to cost, and what is reserved for it where there is a budget. Null: unknown.',
  }),
  metadata: z.record(z.string(), z.string()),
} as const;

/** As the serializer writes it (video-object.ts). */
export const videoSchema = z
  .object(videoFields)
  .meta({ id: 'Video', description: 'A video that is to be made, or is.' });

export const acceptedVideoSchema = z
  .object({
    ...videoFields,
    client_token: z.string().optional().meta({
      description:
        'Reads this job, its events and its content for 24 hours, for phones and browsers, which must not hold the key. Sent as `?token=` or as a bearer token.',
    }),
  })
  .meta({
    id: 'AcceptedVideo',
    description: 'The video as it is accepted, which every replay of the request repeats.',
  });

export const videoListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(videoSchema),
    first_id: z.string().nullable().meta({ description: 'Null: the page is empty.' }),
    last_id: z.string().nullable().meta({ description: 'The next page is asked for with `after` set to it.' }),
    has_more: z.boolean(),
    next_cursor: z
      .string()
      .nullable()
      .meta({ description: 'The same for `after`, and good even where the last video was deleted since.' }),
  })
  .meta({ id: 'VideoList' });

export const cancelledVideoSchema = z
  .object({
    ...videoFields,
    cancellation: z
      .object({
        state: z.enum(['cancelled', 'requested', 'too_late']).meta({
          description:
            '`cancelled`: the job has ended by it. `requested`: it ends as soon as its workflow hears of it, unless its ' +
            'video is there first. `too_late`: it had ended otherwise, and stays so.',
        }),
        provider_stops: z.boolean().meta({
          description: 'Every provider that works on it can be told to stop. True also where none does.',
        }),
        may_still_cost_usd: usd.nullable().meta({
          description: 'What providers may charge at the most for what they have begun. Null: a price is unknown.',
        }),
      })
      .meta({ id: 'Cancellation' }),
  })
  .meta({ id: 'CancelledVideo', description: 'The video as it stands now, and what the cancel has come to.' });

const parts = z.array(z.enum(['request', 'input_image', 'video']));

export const deletedVideoSchema = z
  .object({
    id: videoId,
    object: z.literal('video.deleted'),
    deleted: z.literal(true),
    receipt: z
      .object({
        erased: parts,
        pending: parts.meta({ description: 'Goes as soon as the job has ended, without anybody asking again.' }),
        provider: z.array(
          z.object({
            provider: z.string(),
            operation: z.string().nullable().meta({ description: 'The provider’s own id, to ask it by.' }),
            outcome: z.enum(['erased', 'not_supported', 'pending', 'failed']),
          }),
        ),
        cost_usd: usd.nullable().meta({ description: 'It stays booked.' }),
        erased_at: unixSeconds.nullable().meta({ description: 'Null: something is pending, here or at a provider.' }),
      })
      .meta({ id: 'DeletionReceipt' }),
  })
  .meta({ id: 'DeletedVideo' });

const time = z.iso.datetime();

const attemptSchema = z
  .object({
    attempt: z.int().min(1),
    target: z.string(),
    provider: z.string(),
    overlap: z.boolean().meta({ description: 'Begun while another attempt was still under way.' }),
    state: z.string(),
    submitted_at: time,
    answered_at: time.nullable(),
    ended_at: time.nullable(),
    outcome: z.string().nullable(),
    evidence: z.string().nullable().meta({ description: 'By what we know of its end: callback, check, list, …' }),
    failure_code: z.string().nullable(),
    cost_usd: usd.nullable(),
    possible_duplicate: z.boolean(),
    unknown_at: time.nullable(),
    resolved_by: z.string().nullable(),
    resolved_at: time.nullable(),
  })
  .meta({ id: 'Attempt', description: 'One line of the ledger: one submit to one provider.' });

export const jobEventSchema = z
  .object({
    seq: z.int().min(1).meta({ description: 'Dense within the job, from 1.' }),
    at: time,
    kind: z.string().meta({ description: '`job.queued`, `attempt.started`, …, `job.completed`.' }),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'JobEvent' });

const stuckSchema = z
  .object({
    cause: z.enum(stuckCauses),
    since: time,
    sentence: z.string().meta({ description: 'The same for everybody whose job is stuck for this cause.' }),
  })
  .meta({ id: 'Stuck', description: 'Why the job does not get on. docs/stuck-jobs.md says what each cause means.' });

export const timelineSchema = z
  .object({
    id: videoId,
    object: z.literal('video.timeline'),
    status: phase,
    stuck: stuckSchema.nullable(),
    events: z.array(jobEventSchema),
    attempts: z.array(attemptSchema),
    workflow: z.unknown().meta({ description: 'What the workflow itself tells within two seconds, or null.' }),
  })
  .meta({ id: 'Timeline', description: 'The story of a job, from its events and the ledger.' });
