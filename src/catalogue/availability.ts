import type { Catalogue, CatalogueModel, CatalogueTarget } from './schema.ts';

/** What the catalogue needs to know of a provider that this deployment has a key for. */
export interface ProviderTraits {
  /** Whether a callback is registered with each order. Without one the poll carries the job. */
  readonly callbacks: boolean;
  readonly cancelMeans: 'stops' | 'forgets' | 'none';
}

/** The providers of this deployment by the catalogue's names. Those without a key are not among them. */
export type Providers = ReadonlyMap<string, ProviderTraits>;

export type ModelStatus = 'active' | 'retired' | 'unavailable';

export function statusOf(catalogue: Catalogue, providers: Providers, model: CatalogueModel): ModelStatus {
  if (model.retired) return 'retired';
  return availableTargets(catalogue, providers, model).length > 0 ? 'active' : 'unavailable';
}

/** A model's targets at providers that we have a key for, in the model's order. */
export function availableTargets(
  catalogue: Catalogue,
  providers: Providers,
  model: CatalogueModel,
): readonly NamedTarget[] {
  return targetsOf(catalogue, model).filter(({ target }) => providers.has(target.provider));
}

export interface NamedTarget {
  readonly name: string;
  readonly target: CatalogueTarget;
}

/** In the model's order. What a target does not say of its bills, its provider says. */
export function targetsOf({ targets, providers }: Catalogue, model: CatalogueModel): readonly NamedTarget[] {
  return model.targets.flatMap((name) => {
    const target = targets[name];
    if (target === undefined) return [];
    return [{ name, target: { ...target, bills: target.bills ?? providers[target.provider]?.bills } }];
  });
}

/** The models that can be ordered as they are. */
export function activeModels(catalogue: Catalogue, providers: Providers): readonly string[] {
  return Object.entries(catalogue.models)
    .filter(([, model]) => statusOf(catalogue, providers, model) === 'active')
    .map(([name]) => name);
}

/** The name comes from outside: `constructor` is no model. */
export function findModel({ models }: Catalogue, name: string): CatalogueModel | undefined {
  return Object.hasOwn(models, name) ? models[name] : undefined;
}
