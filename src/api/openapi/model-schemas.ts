import { z } from 'zod';

const provenance = {
  source: z.string().nullable(),
  as_of: z.string().nullable(),
  assumed: z.boolean().meta({ description: 'Nobody has said it: it is our guess.' }),
} as const;

const provenanceSchema = z.object(provenance).meta({ id: 'Provenance', description: 'Where a figure is known from.' });
const figureSchema = z.object({ value: z.number(), ...provenance }).meta({ id: 'Figure' });

const mode = {
  seconds: z.array(z.number()),
  sizes: z.array(z.string()),
  prompt_chars_max: z.int(),
  negative_prompt_chars_max: z.int().nullable().meta({ description: 'Null: there is no such field.' }),
  fields: z.array(z.string()).meta({ description: 'The optional fields that there is a word for.' }),
} as const;

const modeSchema = z.object(mode).meta({ id: 'Mode', description: 'What may be asked for.' });
const targetModeSchema = z.object({ vendor_model: z.string(), ...mode }).meta({ id: 'TargetMode' });

const retirementSchema = z
  .object({
    since: z.string(),
    why: z.string(),
    policy: z.enum(['redirect', 'refuse']),
    seconds: z.array(z.number()).nullable(),
    sizes: z.record(z.string(), z.array(z.string())),
    ...provenance,
  })
  .meta({ id: 'Retirement' });

const targetSchema = z
  .object({
    name: z.string(),
    provider: z.string(),
    available: z.boolean().meta({ description: 'Whether this deployment has a key for it.' }),
    limits: z.object({ outstanding: z.number().nullable(), per_minute: z.number().nullable() }).nullable(),
    text: targetModeSchema.nullable(),
    image: targetModeSchema.nullable(),
    inputs: provenanceSchema,
    price_per_second: z
      .object({ currency: z.literal('USD'), values: z.record(z.string(), z.number()), ...provenance })
      .nullable(),
    typical_seconds: figureSchema,
    longest_seconds: figureSchema,
    patience_seconds: figureSchema,
    callbacks: z.boolean().nullable(),
    cancel: z.enum(['stops', 'forgets', 'none']).nullable(),
    moderation: z.enum(['never', 'elsewhere']),
  })
  .meta({
    id: 'Target',
    description: 'Where a model is made: one provider’s own name for it, with what is known of it.',
  });

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    status: z.enum(['active', 'retired', 'unavailable']),
    retired: retirementSchema.nullable(),
    fallbacks: z.array(z.string()),
    spill_after_seconds: z.number().nullable(),
    inputs: z.array(z.enum(['text', 'image'])),
    text: modeSchema.nullable(),
    image: modeSchema.nullable(),
    targets: z.array(targetSchema),
  })
  .meta({ id: 'Model' });

export const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(modelSchema) })
  .meta({ id: 'ModelList' });
