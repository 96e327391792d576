import { z } from 'zod';
import { poolSchema, targetLimitsSchema } from './pools.ts';

const variableName = z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'has to be the name of an environment variable');
/** What operators name in paths, where a slash is written `~`. */
const operatorName = z.string().regex(/^[^~]+$/, 'may not have a ~ in its name');
const webUrl = z.url({ protocol: /^https?$/, error: 'has to be an http(s) URL' });

/** Where something is known from, or that it is not. */
const provenance = { source: z.string().optional(), as_of: z.iso.date().optional(), assumed: z.boolean().optional() };
const provenanceMessage = 'needs source and as_of, or assumed: true';

function hasProvenance({ source, as_of, assumed }: Provenance): boolean {
  return assumed === true || (source !== undefined && as_of !== undefined);
}

export interface Provenance {
  readonly source?: string | undefined;
  readonly as_of?: string | undefined;
  readonly assumed?: boolean | undefined;
}

const billed = z.enum(['none', 'full']);

/** What is billed of attempts that made no video; see `Bills` in domain/route.ts. */
const billsSchema = z
  .strictObject({ failed: billed, refused: billed, cancelled: billed, abandoned: billed, ...provenance })
  .refine(hasProvenance, provenanceMessage);

const providerSchema = z.strictObject({
  /** Which adapter speaks to it. Those there are, the registry knows. */
  kind: z.string(),
  base_url: webUrl,
  /** Further places of the vendor's own, by the names that its adapter gives them. */
  other_urls: z.record(z.string(), webUrl).default({}),
  key_variable: variableName,
  webhook_secret_variable: variableName.optional(),
  /** Holds the account's level, in place of the pools' presets. */
  level_variable: variableName.optional(),
  pools: z.record(operatorName, poolSchema),
  /** Absent: as `usualBills` of domain/route.ts has it. */
  bills: billsSchema.optional(),
});

const sizeName = z.string().regex(/^\d{2,5}x\d{2,5}$/, 'has to be width by height, such as 1280x720');

const retirementSchema = z
  .strictObject({
    since: z.iso.date(),
    why: z.string().min(1),
    policy: z.enum(['redirect', 'refuse']),
    /** Lengths that are served instead: what was asked for is rounded up to one of them. */
    seconds: z.array(z.int().positive()).min(1).optional(),
    /** What is served in the place of a size that no fallback makes; the first that one makes. */
    sizes: z.record(sizeName, z.array(sizeName).min(1)).default({}),
    ...provenance,
  })
  .refine(hasProvenance, provenanceMessage);

const modelSchema = z
  .strictObject({
    maker: z.string().min(1),
    /** When the entry was made. */
    added: z.iso.date(),
    targets: z.array(z.string()),
    fallbacks: z.array(z.string()).default([]),
    /** How long a job waits in line at one target before another that has room may serve it. Absent: for ever. */
    spill_after_seconds: z.number().positive().optional(),
    retired: retirementSchema.optional(),
  })
  .refine(({ targets, retired }) => (targets.length === 0) === (retired !== undefined), {
    path: ['targets'],
    error: 'an active model needs a target, and a retired one has none',
  })
  .refine(({ fallbacks, retired }) => retired?.policy !== 'redirect' || fallbacks.length > 0, {
    path: ['fallbacks'],
    error: 'a model that redirects needs a fallback to redirect to',
  });

const figureSchema = z
  .strictObject({ value: z.number().positive(), ...provenance })
  .refine(hasProvenance, provenanceMessage);

const pricesSchema = z
  .strictObject({ values: z.record(sizeName, z.number().nonnegative()), ...provenance })
  .refine(hasProvenance, provenanceMessage);

const vendorValue = z.union([z.string(), z.number(), z.boolean()]);

const secondsRange = z
  .strictObject({ from: z.int().positive(), to: z.int().positive().max(600) })
  .refine(({ from, to }) => from <= to, 'from is above to')
  .transform(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));

const secondsSchema = z.strictObject({
  field: z.string(),
  allowed: z.union([z.array(z.int().positive()).min(1), secondsRange], 'has to be a list of seconds, or from and to'),
  /** Some vendors want "5" where others want 5. */
  as: z.enum(['number', 'string']).default('number'),
});

/** How a request of one kind, text or image, is said in the vendor's words. An absent field cannot be expressed. */
const modeSchema = z.strictObject({
  model: z.string(),
  prompt: z.string().default('prompt'),
  /** Absent: as long as ours may be. */
  prompt_chars_max: z.int().positive().optional(),
  negative_prompt_chars_max: z.int().positive().optional(),
  seconds: secondsSchema,
  sizes: z.record(sizeName, z.record(z.string(), vendorValue)),
  image: z.string().optional(),
  negative_prompt: z.string().optional(),
  seed: z.string().optional(),
  audio: z.string().optional(),
  always: z.record(z.string(), vendorValue).default({}),
});

const targetSchema = z.strictObject({
  provider: z.string(),
  pool: z.string(),
  /** Its own limits, within those of the pool. */
  limits: targetLimitsSchema.optional(),
  /** Where the fields of `text` and `image` are known from. */
  inputs: z.strictObject(provenance).refine(hasProvenance, provenanceMessage),
  typical_seconds: figureSchema,
  longest_seconds: figureSchema,
  patience_seconds: figureSchema,
  unknown: z.enum(['wait', 'resubmit', 'fail']),
  unknown_grace_seconds: z.number().positive().default(120),
  /** Whether a refusal on content policy may be taken to the next target. */
  moderation: z.enum(['never', 'elsewhere']).default('never'),
  price_per_second: pricesSchema.optional(),
  /** Absent: as its provider's. */
  bills: billsSchema.optional(),
  text: modeSchema.optional(),
  image: modeSchema.optional(),
});

export const catalogueSchema = z.strictObject({
  providers: z.record(z.string(), providerSchema),
  models: z.record(z.string(), modelSchema),
  targets: z.record(operatorName, targetSchema),
});

export type Catalogue = z.infer<typeof catalogueSchema>;
export type CatalogueProvider = z.infer<typeof providerSchema>;
export type CatalogueModel = z.infer<typeof modelSchema>;
export type CatalogueTarget = z.infer<typeof targetSchema>;
export type TargetMode = z.infer<typeof modeSchema>;

/** What a caller may ask for beyond prompt, seconds and size, where a target has a word for it. */
export const optionalFields = ['seed', 'negative_prompt', 'audio'] as const;

/** The same catalogue where everything takes `factor` of its time: for a vendor that is simulated faster than life. */
export function withDurationsScaled(catalogue: Catalogue, factor: number): Catalogue {
  const scaled = <Figure extends { value: number }>(figure: Figure): Figure => ({
    ...figure,
    value: figure.value * factor,
  });
  const models = Object.entries(catalogue.models).map(([name, { spill_after_seconds: spill, ...model }]) => [
    name,
    { ...model, ...(spill !== undefined && { spill_after_seconds: spill * factor }) },
  ]);
  const targets = Object.entries(catalogue.targets).map(([name, target]): [string, CatalogueTarget] => [
    name,
    {
      ...target,
      typical_seconds: scaled(target.typical_seconds),
      longest_seconds: scaled(target.longest_seconds),
      patience_seconds: scaled(target.patience_seconds),
      unknown_grace_seconds: target.unknown_grace_seconds * factor,
    },
  ]);
  return { ...catalogue, models: Object.fromEntries(models), targets: Object.fromEntries(targets) };
}
