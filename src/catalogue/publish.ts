import { limits } from '../domain/limits/limits.ts';
import { type NamedTarget, type Providers, statusOf, targetsOf } from './availability.ts';
import type {
  FigureObject,
  InputKind,
  ModelObject,
  ModeObject,
  PriceObject,
  ProvenanceObject,
  RetirementObject,
  TargetLimitsObject,
  TargetModeObject,
  TargetObject,
} from './model-object.ts';
import {
  type Catalogue,
  type CatalogueModel,
  type CatalogueTarget,
  optionalFields,
  type Provenance,
  type TargetMode,
} from './schema.ts';

const inputKinds = ['text', 'image'] as const;

/** Everything that the catalogue says, for those who call the API, in the catalogue's order. */
export function publishModels(catalogue: Catalogue, providers: Providers): readonly ModelObject[] {
  return Object.entries(catalogue.models).map(([id, model]) => {
    const targets = targetsOf(catalogue, model);
    const served = targets.filter(({ target }) => providers.has(target.provider));
    const shown = served.length > 0 ? served : targets;
    const modes = { text: modeOfTargets(shown, 'text'), image: modeOfTargets(shown, 'image') };
    return {
      id,
      object: 'model',
      created: Date.parse(model.added) / 1_000,
      owned_by: model.maker,
      status: statusOf(catalogue, providers, model),
      retired: retirementOf(model),
      fallbacks: model.fallbacks,
      spill_after_seconds: model.spill_after_seconds ?? null,
      inputs: inputKinds.filter((kind) => modes[kind] !== null),
      ...modes,
      targets: targets.map((target) => targetObject(target, providers)),
    };
  });
}

/** What targets allow together. A model that nobody here can make shows what it could. */
function modeOfTargets(targets: readonly NamedTarget[], kind: InputKind): ModeObject | null {
  const modes = targets.flatMap(({ target }) => target[kind] ?? []);
  return modes.length === 0 ? null : modeObject(modes);
}

function targetMode(mode: TargetMode | undefined): TargetModeObject | null {
  return mode === undefined ? null : { vendor_model: mode.model, ...modeObject([mode]) };
}

function modeObject(modes: readonly TargetMode[]): ModeObject {
  return {
    seconds: unique(modes.flatMap(({ seconds }) => seconds.allowed)).toSorted((left, right) => left - right),
    sizes: unique(modes.flatMap(({ sizes }) => Object.keys(sizes))),
    prompt_chars_max: Math.max(...modes.map((mode) => mode.prompt_chars_max ?? limits.promptCharsMax)),
    negative_prompt_chars_max: negativeCharsMax(modes.filter((mode) => mode.negative_prompt !== undefined)),
    fields: optionalFields.filter((field) => modes.some((mode) => mode[field] !== undefined)),
  };
}

function negativeCharsMax(modes: readonly TargetMode[]): number | null {
  if (modes.length === 0) return null;
  return Math.max(...modes.map((mode) => mode.negative_prompt_chars_max ?? limits.negativePromptCharsMax));
}

function unique<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Set(values)];
}

function retirementOf({ retired }: CatalogueModel): RetirementObject | null {
  if (retired === undefined) return null;
  const { since, why, policy, seconds = null, sizes } = retired;
  return { since, why, policy, seconds, sizes, ...provenanceOf(retired) };
}

function targetObject({ name, target }: NamedTarget, providers: Providers): TargetObject {
  const provider = providers.get(target.provider);
  return {
    name,
    provider: target.provider,
    available: provider !== undefined,
    limits: limitsOf(target),
    text: targetMode(target.text),
    image: targetMode(target.image),
    inputs: provenanceOf(target.inputs),
    price_per_second: priceOf(target),
    typical_seconds: figureOf(target.typical_seconds),
    longest_seconds: figureOf(target.longest_seconds),
    patience_seconds: figureOf(target.patience_seconds),
    callbacks: provider?.callbacks ?? null,
    cancel: provider?.cancelMeans ?? null,
    moderation: target.moderation,
  };
}

function limitsOf({ limits: own }: CatalogueTarget): TargetLimitsObject | null {
  return own === undefined ? null : { outstanding: own.outstanding ?? null, per_minute: own.per_minute ?? null };
}

function priceOf({ price_per_second: price }: CatalogueTarget): PriceObject | null {
  return price === undefined ? null : { currency: 'USD', values: price.values, ...provenanceOf(price) };
}

function figureOf(figure: Provenance & { readonly value: number }): FigureObject {
  return { value: figure.value, ...provenanceOf(figure) };
}

function provenanceOf({ source, as_of, assumed }: Provenance): ProvenanceObject {
  return { source: source ?? null, as_of: as_of ?? null, assumed: assumed ?? false };
}
