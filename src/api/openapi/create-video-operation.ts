import type { ZodContentObject } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { limits } from '../../domain/limits/limits.ts';
import { videoWishSchema } from '../schemas.ts';
import type { Operation } from './operation.ts';
import { acceptedVideoSchema } from './video-schemas.ts';

const urlOrId = z.string().meta({
  description: 'The id of an upload, an https URL that anybody can read, or a data URL of a JPEG, PNG or WebP picture.',
});

const referenceObject = z.union([
  z.strictObject({ image_url: z.string().meta({ description: 'An https URL or a data URL.' }) }),
  z.strictObject({ file_id: z.string().meta({ description: 'The id of an upload.' }) }),
]);

const jsonBody = videoWishSchema
  .extend({ input_reference: z.union([urlOrId, referenceObject]).optional() })
  .meta({ id: 'CreateVideo' });

/** OpenAI's client always sends this form. Every value is text there; `metadata` comes as `metadata[key]` or as JSON. */
const formBody = videoWishSchema
  .extend({
    input_reference: z.string().optional().meta({
      format: 'binary',
      description:
        'The picture as a file; or as text what it may be in JSON, also by the name `input_reference[image_url]`.',
    }),
  })
  .meta({ id: 'CreateVideoForm' });

const createVideoBody: ZodContentObject = {
  'application/json': {
    schema: jsonBody,
    examples: {
      text: {
        summary: 'From a text.',
        value: {
          prompt: 'A paper boat sails through a flooded city at dusk',
          model: 'wan-2.6',
          seconds: 5,
          size: '1280x720',
        },
      },
      selfie: {
        summary: 'From an uploaded picture.',
        value: {
          prompt: 'She turns to the camera and smiles',
          model: 'wan-2.6',
          input_reference: 'upload_01932f0e-1c6b-7d2a-9d3c-0123456789ab',
          metadata: { campaign: 'autumn' },
        },
      },
    },
  },
  'multipart/form-data': { schema: formBody },
};

export const createVideoOperation: Operation = {
  method: 'post',
  path: '/v1/videos',
  id: 'createVideo',
  tag: 'Videos',
  summary: 'Ask for a video.',
  description:
    'Answers once the job is committed: a job that was accepted will end, whatever breaks meanwhile. Send an ' +
    '`Idempotency-Key` to be able to repeat the request without making a second video.',
  scope: 'write',
  headers: z.object({
    'Idempotency-Key': z
      .string()
      .min(1)
      .max(limits.idempotencyKeyCharsMax)
      .optional()
      .meta({
        pattern: '^[!-~]+$',
        description: `Bare or as a quoted string. Kept for ${limits.idempotencyKeyDaysKept} days.`,
      }),
  }),
  body: createVideoBody,
  answers: {
    202: {
      description: 'Accepted, now or before.',
      content: { 'application/json': { schema: acceptedVideoSchema } },
      headers: ['Location', 'Retry-After', 'Idempotency-Replayed'],
    },
  },
  problems: [
    'invalid_json',
    'invalid_request',
    'invalid_multipart',
    'invalid_idempotency_key',
    'budget_exceeded',
    'video_erased',
    'body_too_large',
    'unsupported_media_type',
    'invalid_image',
    'upload_not_found',
    'value_not_supported',
    'idempotency_key_reused',
    'queue_full',
    'queue_too_long',
    'spend_cap_reached',
    'storage_unavailable',
  ],
};
