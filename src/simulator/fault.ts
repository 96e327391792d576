import { z } from 'zod';
import { vendorNames } from './vendor-name.ts';

const milliseconds = z.number().min(0).max(86_400_000);

/** Everything that can be made to go wrong. The first part concerns the submit, then the run, the callback, the file. */
const faultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('submit-429'), retryAfterSeconds: z.number().min(0).default(1) }),
  z.object({ kind: z.literal('submit-429-bare') }),
  z.object({ kind: z.literal('submit-500-before') }),
  z.object({ kind: z.literal('submit-500-after') }),
  z.object({ kind: z.literal('submit-reset-before') }),
  z.object({ kind: z.literal('submit-reset-after') }),
  z.object({ kind: z.literal('submit-slow'), delayMs: milliseconds.default(2_000) }),
  z.object({ kind: z.literal('submit-hang-before') }),
  z.object({ kind: z.literal('submit-hang-after') }),
  z.object({ kind: z.literal('submit-refused') }),
  z.object({ kind: z.literal('no-credit') }),
  /** Without `endsAfterMs` it processes for ever; with it the vendor gives up: status `timeout`. */
  z.object({ kind: z.literal('stuck'), endsAfterMs: milliseconds.optional() }),
  z.object({ kind: z.literal('slow'), factor: z.number().positive().default(5) }),
  z.object({ kind: z.literal('failed'), code: z.number().int().default(1405) }),
  z.object({ kind: z.literal('failed-fast'), code: z.number().int().default(1403) }),
  z.object({ kind: z.literal('moderation') }),
  z.object({ kind: z.literal('callback-lost') }),
  z.object({ kind: z.literal('callback-duplicated'), copies: z.number().int().min(1).max(100).default(2) }),
  z.object({ kind: z.literal('callback-delayed'), delayMs: milliseconds.default(5_000) }),
  z.object({ kind: z.literal('callback-early') }),
  z.object({ kind: z.literal('callback-out-of-order') }),
  z.object({ kind: z.literal('callback-forged'), order: z.enum(['first', 'only']).default('first') }),
  z.object({ kind: z.literal('callback-wrong-body'), body: z.enum(['not-json', 'other-id']).default('not-json') }),
  z.object({ kind: z.literal('output-404') }),
  /** The vendor forgets inputs and outputs as soon as the prediction has ended. */
  z.object({ kind: z.literal('data-removed') }),
]);

export type Fault = z.output<typeof faultSchema>;
export type FaultKind = Fault['kind'];

const faultRuleSchema = z.object({
  /** Every vendor when absent. */
  vendor: z.enum(vendorNames).optional(),
  /** Part of a model id; every model when absent. */
  model: z.string().optional(),
  share: z.number().min(0).max(1),
  /** How often the rule may strike in all. */
  times: z.number().int().positive().optional(),
  fault: faultSchema,
});

export type FaultRule = z.output<typeof faultRuleSchema>;
export const faultPlanSchema = z.array(faultRuleSchema);
export type FaultPlan = z.input<typeof faultPlanSchema>;

/** Which field the one value of a prompt marker fills. */
const valueFields: { readonly [kind in FaultKind]?: string } = {
  'submit-429': 'retryAfterSeconds',
  'submit-slow': 'delayMs',
  stuck: 'endsAfterMs',
  slow: 'factor',
  failed: 'code',
  'failed-fast': 'code',
  'callback-duplicated': 'copies',
  'callback-delayed': 'delayMs',
  'callback-forged': 'order',
  'callback-wrong-body': 'body',
};

export function parseFault(kind: string, value: string | undefined): Fault | undefined {
  const field = (valueFields as Readonly<Record<string, string>>)[kind];
  if (value !== undefined && field === undefined) return undefined;
  const number = Number(value);
  const typed = value === undefined || value === '' || Number.isNaN(number) ? value : number;
  return faultSchema.safeParse({ kind, ...(field && value !== undefined && { [field]: typed }) }).data;
}

export function findFault<K extends FaultKind>(
  faults: readonly Fault[],
  kind: K,
): Extract<Fault, { kind: K }> | undefined {
  return faults.find((fault): fault is Extract<Fault, { kind: K }> => fault.kind === kind);
}
