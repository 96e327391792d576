import { limits } from '../domain/limits.ts';
import { type NamedTarget, type Providers, statusOf, targetsOf } from './availability.ts';
import type {
  FigureObject,
  InputKind,
  ModelObject,
  ModeObject,
  PriceObject,
  ProvenanceObject,
  RetirementObject,
  TargetObject,
} from './model-object.ts';
import {
  type Catalogue,
  type CatalogueModel,
  type CatalogueTarget,
  optionalFields,
  type Provenance,
} from './schema.ts';

const inputKinds = ['text', 'image'] as const;

/** Everything that the catalogue says, for those who call the API, in the catalogue's order. */
export function publishModels(catalogue: Catalogue, providers: Providers): readonly ModelObject[] {
  return Object.entries(catalogue.models).map(([id, model]) => {
    const targets = targetsOf(catalogue, model);
    const served = targets.filter(({ target }) => providers.has(target.provider));
    const shown = served.length > 0 ? served : targets;
    const modes = { text: modeObject(shown, 'text'), image: modeObject(shown, 'image') };
    return {
      id,
      object: 'model',
      created: Date.parse(model.added) / 1_000,
      owned_by: model.maker,
      status: statusOf(catalogue, providers, model),
      retired: retirementOf(model),
      fallbacks: model.fallbacks,
      inputs: inputKinds.filter((kind) => modes[kind] !== null),
      ...modes,
      targets: targets.map((target) => targetObject(target, providers)),
    };
  });
}

/** What targets allow together. A model that nobody here can make shows what it could. */
function modeObject(targets: readonly NamedTarget[], kind: InputKind): ModeObject | null {
  const modes = targets.flatMap(({ target }) => target[kind] ?? []);
  if (modes.length === 0) return null;
  return {
    seconds: unique(modes.flatMap(({ seconds }) => seconds.allowed)).toSorted((left, right) => left - right),
    sizes: unique(modes.flatMap(({ sizes }) => Object.keys(sizes))),
    prompt_chars_max: Math.max(...modes.map((mode) => mode.prompt_chars_max ?? limits.promptCharsMax)),
    fields: optionalFields.filter((field) => modes.some((mode) => mode[field] !== undefined)),
  };
}

function unique<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Set(values)];
}

function retirementOf({ retired }: CatalogueModel): RetirementObject | null {
  if (retired === undefined) return null;
  const { since, why, policy } = retired;
  return { since, why, policy, ...provenanceOf(retired) };
}

function targetObject({ name, target }: NamedTarget, providers: Providers): TargetObject {
  const provider = providers.get(target.provider);
  return {
    name,
    provider: target.provider,
    available: provider !== undefined,
    vendor_models: { text: target.text?.model ?? null, image: target.image?.model ?? null },
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

function priceOf({ price_per_second: price }: CatalogueTarget): PriceObject | null {
  return price === undefined ? null : { currency: 'USD', values: price.values, ...provenanceOf(price) };
}

function figureOf(figure: Provenance & { readonly value: number }): FigureObject {
  return { value: figure.value, ...provenanceOf(figure) };
}

function provenanceOf({ source, as_of, assumed }: Provenance): ProvenanceObject {
  return { source: source ?? null, as_of: as_of ?? null, assumed: assumed ?? false };
}
