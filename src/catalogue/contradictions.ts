import type { Catalogue, CatalogueModel, CatalogueTarget } from './schema.ts';

/** Something that is wrong with the catalogue, and where. */
export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Each part of the catalogue may be well formed, and they still may not fit together. */
export function findContradictions(catalogue: Catalogue, isProviderKind: (kind: string) => boolean): readonly Fault[] {
  return [
    ...Object.entries(catalogue.providers).flatMap(([name, { kind }]) =>
      isProviderKind(kind)
        ? []
        : [{ path: ['providers', name, 'kind'], message: `there is no adapter called ${kind}` }],
    ),
    ...Object.entries(catalogue.models).flatMap((entry) => faultsOfModel(catalogue, entry)),
    ...Object.entries(catalogue.targets).flatMap((entry) => faultsOfTarget(catalogue, entry)),
    ...faultsOfPools(catalogue),
  ];
}

function faultsOfModel({ models, targets }: Catalogue, [name, model]: [string, CatalogueModel]): readonly Fault[] {
  const faults: Fault[] = [];
  model.targets.forEach((target, index) => {
    if (!Object.hasOwn(targets, target))
      faults.push({ path: ['models', name, 'targets', index], message: `no target is called ${target}` });
  });
  model.fallbacks.forEach((fallback, index) => {
    const path = ['models', name, 'fallbacks', index];
    const found = Object.hasOwn(models, fallback) ? models[fallback] : undefined;
    if (found === undefined) faults.push({ path, message: `no model is called ${fallback}` });
    else if (found.retired) faults.push({ path, message: `${fallback} is retired` });
    else if (fallback === name) faults.push({ path, message: 'a model is no fallback of its own' });
  });
  return faults;
}

function faultsOfTarget({ providers }: Catalogue, [name, target]: [string, CatalogueTarget]): readonly Fault[] {
  const faults: Fault[] = [];
  const provider = Object.hasOwn(providers, target.provider) ? providers[target.provider] : undefined;
  if (provider === undefined)
    faults.push({ path: ['targets', name, 'provider'], message: `no provider is called ${target.provider}` });
  else if (!Object.hasOwn(provider.pools, target.pool))
    faults.push({ path: ['targets', name, 'pool'], message: `${target.provider} has no pool ${target.pool}` });
  if (!target.text && !target.image) faults.push({ path: ['targets', name], message: 'needs text, image or both' });
  if (target.text?.image !== undefined)
    faults.push({ path: ['targets', name, 'text', 'image'], message: 'a picture belongs into image, not into text' });
  if (target.image && target.image.image === undefined)
    faults.push({ path: ['targets', name, 'image'], message: 'needs image: the field that takes the picture' });
  return faults;
}

/** A pool is one account's capacity, and its id is the key of one row. */
function faultsOfPools({ providers }: Catalogue): readonly Fault[] {
  const owners = new Map<string, string>();
  return Object.entries(providers).flatMap(([name, { pools }]) =>
    Object.keys(pools).flatMap((pool) => {
      const owner = owners.get(pool);
      owners.set(pool, owner ?? name);
      return owner === undefined
        ? []
        : [{ path: ['providers', name, 'pools', pool], message: `${owner} has a pool of this name` }];
    }),
  );
}
