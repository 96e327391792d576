import { z } from 'zod';
import { pictureTypes } from '../../domain/picture.ts';

export const uploadId = z
  .string()
  .meta({ pattern: '^upload_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' });

export const uploadSchema = z
  .object({
    id: uploadId,
    object: z.literal('upload'),
    method: z.literal('PUT'),
    url: z.string().meta({ description: 'Carries its own permission: no key goes along.' }),
    headers: z.record(z.string(), z.string()).meta({ description: 'To be sent with the picture as they are.' }),
    expires_at: z.int().meta({ description: 'Until when the PUT has to begin.' }),
  })
  .meta({ id: 'Upload', description: 'A place for one picture.' });

export const keptUploadSchema = z
  .object({
    id: uploadId,
    object: z.literal('upload'),
    bytes: z.int(),
    content_type: z.enum(pictureTypes),
    kept_until: z.int().meta({ description: 'Until when a request may name it.' }),
  })
  .meta({ id: 'KeptUpload' });
