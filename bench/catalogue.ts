import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { root } from './root.ts';

/** What an account allows, in the catalogue's words. */
export interface PoolWish {
  readonly outstanding: number;
  readonly per_minute: number;
}

/** The catalogue that we ship, changed as far as a bench needs it. */
export type CatalogueWish =
  /** Limits of accounts would be what is measured. */
  | { readonly kind: 'unlimited' }
  /** WaveSpeed's account as given, all the others as shipped. */
  | { readonly kind: 'shipped'; readonly wavespeed: PoolWish }
  /** `wan-2.6` is made at WaveSpeed only, in so many seconds: nothing spills, so one pool is all there is to see. */
  | { readonly kind: 'one-pool'; readonly wavespeed: PoolWish; readonly videoSeconds: number };

interface CatalogueFile {
  readonly providers: Record<string, { pools: Record<string, object> }>;
  readonly models: Record<string, { targets: string[]; fallbacks?: string[]; spill_after_seconds?: number }>;
  readonly targets: Record<string, { typical_seconds: object }>;
}

/** The one model and its one target of `one-pool`. */
export const benchModel = 'wan-2.6';
const benchTarget = 'wavespeed/wan-2.6';
const unlimited: PoolWish = { outstanding: 100_000, per_minute: 10_000_000 };

export async function writeCatalogue(directory: string, wish: CatalogueWish): Promise<string> {
  const catalogue: CatalogueFile = parse(await readFile(join(root, 'models.yaml'), 'utf8'));
  if (wish.kind === 'unlimited') {
    for (const provider of Object.values(catalogue.providers))
      provider.pools = Object.fromEntries(Object.keys(provider.pools).map((pool) => [pool, unlimited]));
  } else {
    setPool(catalogue, wish.wavespeed);
  }
  if (wish.kind === 'one-pool') keepOneTarget(catalogue, wish.videoSeconds);
  const path = join(directory, 'models.yaml');
  await writeFile(path, stringify(catalogue));
  return path;
}

function setPool({ providers }: CatalogueFile, { outstanding, per_minute }: PoolWish): void {
  const provider = providers['wavespeed'];
  if (provider === undefined) throw new Error('models.yaml has no provider wavespeed, which the benches use.');
  provider.pools = { wavespeed: { outstanding, per_minute } };
}

/** Patience and longest duration stay: they are for videos that get lost, and here none does. */
function keepOneTarget({ models, targets }: CatalogueFile, videoSeconds: number): void {
  const target = targets[benchTarget];
  if (target === undefined) throw new Error(`models.yaml has no target ${benchTarget}, which the benches use.`);
  target.typical_seconds = { value: videoSeconds, assumed: true };
  const model = models[benchModel];
  if (model === undefined) throw new Error(`models.yaml has no model ${benchModel}, which the benches use.`);
  model.targets = [benchTarget];
  delete model.fallbacks;
  delete model.spill_after_seconds;
}
