import { z } from 'zod';

/** Outstanding jobs and starts a minute of WaveSpeed's account levels (their documentation, 2026-11). */
const presets = {
  bronze: { outstanding: 3, per_minute: 5 },
  silver: { outstanding: 100, per_minute: 60 },
  gold: { outstanding: 2_000, per_minute: 600 },
  ultra: { outstanding: 5_000, per_minute: 5_000 },
} as const;

type PoolPreset = keyof typeof presets;

/** The limits behind a preset's name. */
export function limitsOfPreset(preset: PoolPreset): { readonly outstanding: number; readonly per_minute: number } {
  return presets[preset];
}

const poolSchema = z.union([
  z.strictObject({ preset: z.enum(['bronze', 'silver', 'gold', 'ultra']) }),
  z.strictObject({ outstanding: z.int().positive(), per_minute: z.int().positive() }),
]);

const providerSchema = z.strictObject({
  kind: z.enum(['wavespeed']),
  base_url: z.url(),
  pools: z.record(z.string(), poolSchema),
});

const modelSchema = z.strictObject({
  targets: z.array(z.string()).min(1),
  fallbacks: z.array(z.string()).default([]),
});

/** A figure says where it comes from, or that it was assumed. */
const provenance = { source: z.string().optional(), as_of: z.iso.date().optional(), assumed: z.boolean().optional() };

const figureSchema = z
  .strictObject({ value: z.number().positive(), ...provenance })
  .refine(hasProvenance, 'needs source and as_of, or assumed: true');

const pricesSchema = z
  .strictObject({ values: z.record(z.string(), z.number().nonnegative()), ...provenance })
  .refine(hasProvenance, 'needs source and as_of, or assumed: true');

function hasProvenance(figure: {
  source?: string | undefined;
  as_of?: string | undefined;
  assumed?: boolean | undefined;
}): boolean {
  return figure.assumed === true || (figure.source !== undefined && figure.as_of !== undefined);
}

const vendorValue = z.union([z.string(), z.number(), z.boolean()]);

/** How a request of one kind, text or image, is said in the vendor's words. An absent field cannot be expressed. */
const modeSchema = z.strictObject({
  model: z.string(),
  seconds: z.strictObject({ field: z.string(), allowed: z.array(z.number()).min(1) }),
  sizes: z.record(z.string().regex(/^\d{2,5}x\d{2,5}$/), z.record(z.string(), vendorValue)),
  image: z.string().optional(),
  negative_prompt: z.string().optional(),
  seed: z.string().optional(),
  audio: z.string().optional(),
  always: z.record(z.string(), vendorValue).default({}),
});

const targetSchema = z.strictObject({
  provider: z.string(),
  pool: z.string(),
  typical_seconds: figureSchema,
  longest_seconds: figureSchema,
  patience_seconds: z.number().positive(),
  unknown: z.enum(['wait', 'resubmit', 'fail']),
  unknown_grace_seconds: z.number().positive().default(120),
  price_per_second: pricesSchema.optional(),
  text: modeSchema.optional(),
  image: modeSchema.optional(),
});

export const catalogueSchema = z.strictObject({
  providers: z.record(z.string(), providerSchema),
  models: z.record(z.string(), modelSchema),
  targets: z.record(z.string(), targetSchema),
});

export type Catalogue = z.infer<typeof catalogueSchema>;
export type CatalogueTarget = z.infer<typeof targetSchema>;
export type TargetMode = z.infer<typeof modeSchema>;

/** The same catalogue where everything takes `factor` of its time: for a vendor that is simulated faster than life. */
export function withDurationsScaled(catalogue: Catalogue, factor: number): Catalogue {
  const scaled = (target: CatalogueTarget): CatalogueTarget => ({
    ...target,
    typical_seconds: { ...target.typical_seconds, value: target.typical_seconds.value * factor },
    longest_seconds: { ...target.longest_seconds, value: target.longest_seconds.value * factor },
    patience_seconds: target.patience_seconds * factor,
    unknown_grace_seconds: target.unknown_grace_seconds * factor,
  });
  const targets = Object.entries(catalogue.targets).map(([name, target]) => [name, scaled(target)] as const);
  return { ...catalogue, targets: Object.fromEntries(targets) };
}
