import { z } from 'zod';
import { pauseKinds } from '../../domain/control.ts';
import { limits } from '../../domain/limits/limits.ts';
import { oneLinePattern } from '../../domain/one-line.ts';
import { stuckCauses } from '../../domain/stuck.ts';

const reasonMessage = `This has to be 1 to ${limits.reasonCharsMax} characters on one line: why it is done.`;

function line(charsMax: number, message: string) {
  return z
    .string(message)
    .min(1, message)
    .max(charsMax, message)
    .regex(new RegExp(oneLinePattern), message)
    .meta({ pattern: oneLinePattern });
}

function count(most: number) {
  const message = `This has to be a whole number from 1 to ${most}.`;
  return z.int(message).min(1, message).max(most, message);
}

const truth = z.boolean('This has to be true or false.');
const reason = line(limits.reasonCharsMax, reasonMessage);
const object = 'The body has to be an object.';

/** The fields of `PUT /v1/admin/pauses/{kind}/{subject}`. */
export const pauseSchema = z.strictObject(
  {
    reason,
    for_seconds: count(limits.pauseSecondsMax).optional().meta({ description: 'Default: until it is resumed.' }),
    drain: truth.default(false).meta({
      description: 'Of a target: whoever waits for it goes to another of its route at once, where one has room.',
    }),
  },
  object,
);

/** The fields of `PUT /v1/admin/pools/{pool}/limits`. */
export const limitsSchema = z
  .strictObject(
    {
      reason,
      for_seconds: count(limits.overrideSecondsMax).meta({ description: 'The catalogue holds again after that.' }),
      outstanding_max: count(limits.overrideJobsMax)
        .optional()
        .meta({ description: 'Default: as the catalogue says.' }),
      per_minute_max: count(limits.overridePerMinuteMax)
        .optional()
        .meta({ description: 'Default: as the catalogue says.' }),
    },
    object,
  )
  .refine((wish) => wish.outstanding_max !== undefined || wish.per_minute_max !== undefined, {
    message: 'Say outstanding_max, per_minute_max, or both.',
    path: ['outstanding_max'],
  })
  .meta({ anyOf: [{ required: ['outstanding_max'] }, { required: ['per_minute_max'] }] });

/** The query of what ends a pause or an override: there is no body. */
export const endSchema = z.strictObject({ reason }, 'The query has to say why: reason.');

const force = truth.optional().meta({ description: 'Also where it may pay for a second video.' });
const target = line(limits.subjectCharsMax, `This has to be the name of a target of the route.`);

const repairs = [
  { repair: z.literal('poll_now') },
  { repair: z.literal('switch_target'), target, force },
  { repair: z.literal('resubmit'), force },
  { repair: z.literal('extend_deadline'), seconds: count(limits.extendSecondsMax) },
  { repair: z.literal('give_up') },
] as const;

const repairMessage = 'This has to be poll_now, switch_target, resubmit, extend_deadline or give_up.';

/** The fields of `POST /v1/admin/jobs/{id}/repairs`. */
export const repairSchema = z.discriminatedUnion(
  'repair',
  [
    z.strictObject({ ...repairs[0], reason }),
    z.strictObject({ ...repairs[1], reason }),
    z.strictObject({ ...repairs[2], reason }),
    z.strictObject({ ...repairs[3], reason }),
    z.strictObject({ ...repairs[4], reason }),
  ],
  repairMessage,
);

const bulk = {
  cause: z.enum(stuckCauses, `This has to be one of ${stuckCauses.join(', ')}.`),
  dry_run: truth.default(false).meta({ description: 'Say which jobs it would be, and do nothing.' }),
  limit: count(limits.bulkRepairsMax).default(limits.bulkRepairsDefault),
  reason,
};

/** The fields of `POST /v1/admin/repairs`. */
export const bulkRepairSchema = z.discriminatedUnion(
  'repair',
  [
    z.strictObject({ ...repairs[0], ...bulk }),
    z.strictObject({ ...repairs[1], ...bulk }),
    z.strictObject({ ...repairs[2], ...bulk }),
    z.strictObject({ ...repairs[3], ...bulk }),
    z.strictObject({ ...repairs[4], ...bulk }),
  ],
  repairMessage,
);

/** A whole number of a query, which comes as text. */
function countOfText(most: number) {
  const message = `This has to be a whole number from 1 to ${most}.`;
  return z
    .string(message)
    .regex(/^[1-9][0-9]{0,8}$/, message)
    .transform(Number)
    .refine((value) => value <= most, message)
    .meta({ type: 'integer', minimum: 1, maximum: most });
}

export const stuckQuerySchema = z.strictObject({
  cause: bulk.cause.optional(),
  tenant: line(limits.subjectCharsMax, 'This has to be the id of a tenant.').optional(),
  limit: countOfText(limits.adminListMax).optional().meta({ description: 'Default: 20.' }),
});

export const actionsQuerySchema = z.strictObject({
  after: z
    .string('This has to be the id of an action.')
    .regex(/^[0-9]{1,18}$/, 'This has to be the id of an action.')
    .optional()
    .meta({ description: 'What has come since that action, the oldest first. Without it: the newest first.' }),
  subject: line(limits.subjectCharsMax, 'This has to be the id of a job, or a name.').optional(),
  limit: countOfText(limits.actionsListedMax).optional().meta({ description: 'Default: 20.' }),
});

export const kindSchema = z.enum(pauseKinds);

export type RepairFields = z.output<typeof repairSchema>;
