import { z } from 'zod';
import { priorities } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';
import { pictureTypes } from '../domain/picture.ts';
import { type FieldError, Problem } from './problems/problem.ts';
import { escapePointer } from './input/text-check.ts';

/** What a caller wishes, without the picture, before the catalogue has chosen. */
export type VideoWish = z.output<typeof videoWishSchema>;

/** Parses the fields of `POST /v1/videos`, or names every one that is wrong. */
export function parseVideoWish(fields: Readonly<Record<string, unknown>>): VideoWish {
  return parsed(videoWishSchema, fields);
}

export type UploadWish = z.output<typeof uploadWishSchema>;

/** Parses the fields of `POST /v1/uploads`. */
export function parseUploadWish(fields: Readonly<Record<string, unknown>>): UploadWish {
  return parsed(uploadWishSchema, fields);
}

/** Parses what came as fields, in a body or in a query, or names every one that is wrong. */
export function parsed<Output>(schema: z.ZodType<Output>, fields: Readonly<Record<string, unknown>>): Output {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap(errorsOfIssue).slice(0, errorsMax);
  throw new Problem('invalid_request', { detail: sentenceOf(errors), errors });
}

const errorsMax = 20;

function errorsOfIssue(issue: z.core.$ZodIssue): FieldError[] {
  const pointer = pointerOf(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ pointer, message: issue.message }];
  return issue.keys.map((key) => ({
    pointer: `${pointer}/${escapePointer(key.slice(0, 128))}`,
    message: 'The field is unknown.',
  }));
}

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${escapePointer(String(step).slice(0, 128))}`).join('');
}

function sentenceOf([first]: readonly FieldError[]): string {
  return first ? `${first.pointer || 'The body'}: ${first.message}` : 'The request is not valid.';
}

/** Text of a bounded number of characters, as people count them: code points of the composed form. */
export function text(charsMax: number) {
  return z
    .string('This has to be text.')
    .normalize('NFC')
    .refine((value) => value.length <= charsMax || charsOf(value) <= charsMax, `This may have ${charsMax} characters.`)
    .meta({ maxLength: charsMax, pattern: '^[^\\u0000]*$' });
}

/** Something but blanks, and no NUL, for the OpenAPI document. */
const filledPattern = '^[^\\u0000]*\\S[^\\u0000]*$';

function filledText(charsMax: number) {
  return text(charsMax)
    .refine((value) => value.trim() !== '', 'This must not be empty.')
    .meta({ minLength: 1, maxLength: charsMax, pattern: filledPattern });
}

function charsOf(value: string): number {
  return Array.from(value).length;
}

function integer(min: number, max: number) {
  const message = `This has to be a whole number from ${min} to ${max}.`;
  return z.int(message).min(min, message).max(max, message);
}

/** The dialect has seconds as text. */
function numberOfText(value: unknown): unknown {
  return typeof value === 'string' && /^[1-9]\d{0,5}$/.test(value) ? Number(value) : value;
}

/** Whole numbers from 1 to 3600 as text, for the OpenAPI document. */
const secondsPattern = '^([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)$';
const modelName = filledText(128);
const costMessage = `This has to be a number above 0, up to ${limits.costUsdMax}.`;

const metadata = z
  .record(
    filledText(limits.metadataKeyCharsMax),
    text(limits.metadataValueCharsMax),
    'This has to be an object of texts, with keys of up to 64 characters.',
  )
  .refine(
    (entries) => Object.keys(entries).length <= limits.metadataEntriesMax,
    `This may have ${limits.metadataEntriesMax} entries.`,
  )
  .meta({
    maxProperties: limits.metadataEntriesMax,
    propertyNames: { minLength: 1, maxLength: limits.metadataKeyCharsMax, pattern: filledPattern },
    description: 'Kept with the job, and told with it.',
  });

/** The fields of `POST /v1/videos` but the picture, which is not parsed here. The OpenAPI document is made of it. */
export const videoWishSchema = z.strictObject(
  {
    prompt: filledText(limits.promptCharsMax),
    model: modelName.optional(),
    seconds: z
      .preprocess(numberOfText, integer(1, limits.videoSecondsMax))
      .optional()
      .meta({
        type: ['integer', 'string'],
        minimum: 1,
        maximum: limits.videoSecondsMax,
        pattern: secondsPattern,
        description: 'As a number or as text. Which lengths a model makes: `GET /v1/models`.',
      }),
    size: z
      .string('This has to be text.')
      .regex(/^[1-9]\d{1,4}x[1-9]\d{1,4}$/, 'This has to be width by height, such as 1280x720.')
      .optional(),
    negative_prompt: text(limits.negativePromptCharsMax).optional(),
    seed: integer(0, limits.seedMax).optional(),
    audio: z.boolean('This has to be true or false.').optional(),
    user: text(limits.callerCharsMax).optional(),
    metadata: metadata.optional(),
    priority: z.enum(priorities, `This has to be one of ${priorities.join(', ')}.`).default('normal'),
    fallback: z
      .union(
        [z.literal('auto'), z.literal('none'), z.array(modelName).max(limits.targetsOfRouteMax)],
        `This has to be auto, none, or a list of up to ${limits.targetsOfRouteMax} models.`,
      )
      .default('auto'),
    patience_seconds: integer(limits.patienceSecondsMin, limits.patienceSecondsMax).optional(),
    queue_ttl_seconds: integer(limits.queueTtlSecondsMin, limits.queueTtlSecondsMax).default(
      limits.queueTtlSecondsDefault,
    ),
    webhook_url: filledText(limits.callerUrlCharsMax).optional().meta({
      description: 'Whom to tell of this video, beside the endpoints of the tenant. docs/webhooks.md has more.',
    }),
    max_cost_usd: z.number(costMessage).positive(costMessage).max(limits.costUsdMax, costMessage).optional(),
  },
  'The body has to be an object.',
);

export const uploadWishSchema = z.strictObject(
  {
    content_type: z.enum(pictureTypes, `This has to be one of ${pictureTypes.join(', ')}.`),
    bytes: integer(1, limits.imageBytesMax),
  },
  'The body has to be an object.',
);
