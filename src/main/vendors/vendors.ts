import type { Providers } from '../../catalogue/availability.ts';
import { limitsOfPool } from '../../catalogue/pools.ts';
import type { Catalogue, CatalogueProvider } from '../../catalogue/schema.ts';
import { ConfigError, type Config, type Secrets } from '../../config.ts';
import type { PoolLimits, TargetLimits } from '../../db/scheduler/pools.ts';
import { vendorUrlPolicy } from '../../providers/hostile-url.ts';
import type { VideoProvider } from '../../providers/provider.ts';
import { adapterOf } from '../../providers/registry.ts';
import { createRemoteFiles, type RemoteFiles } from '../../providers/remote-file.ts';
import { accountLevel, providerSettings } from './provider-settings.ts';
import { type Deployment, faultsOfVendors, noticesOfVendors } from './vendor-faults.ts';

/** The vendors of this deployment, by the catalogue's names: those that it has a key for. */
export interface Vendors {
  readonly providers: ReadonlyMap<string, VideoProvider>;
  /** What the catalogue has to know of each. */
  readonly traits: Providers;
  /** The doors to the files that each hands out. */
  readonly remoteFiles: ReadonlyMap<string, RemoteFiles>;
  readonly pools: readonly PoolLimits[];
  /** What a person should know at start, a sentence each: who is left out, and whose jobs end later than they might. */
  readonly notices: readonly string[];
}

interface Vendor {
  readonly name: string;
  readonly provider: VideoProvider;
  readonly callbacks: boolean;
  readonly remoteFiles: RemoteFiles;
  readonly pools: readonly PoolLimits[];
}

/** Throws `ConfigError` where no provider has a key, or where callbacks could be forged in production. */
export function buildVendors(catalogue: Catalogue, config: Config, secrets: Secrets): Vendors {
  const entries = Object.entries(catalogue.providers);
  const faults = faultsOfVendors(catalogue, { config, secrets });
  if (faults.length > 0) throw new ConfigError(faults.join('\n'));
  const vendors = entries.flatMap((entry) => buildVendor(entry, catalogue, { config, secrets }) ?? []);
  if (vendors.length === 0) throw noKey(catalogue);

  const byName = <Value>(read: (vendor: Vendor) => Value): ReadonlyMap<string, Value> =>
    new Map(vendors.map((vendor) => [vendor.name, read(vendor)]));
  const providers = byName(({ provider }) => provider);
  return {
    providers,
    traits: byName(({ provider: { cancelMeans }, callbacks }) => ({ cancelMeans, callbacks })),
    remoteFiles: byName(({ remoteFiles }) => remoteFiles),
    pools: vendors.flatMap(({ pools }) => pools),
    notices: noticesOfVendors(catalogue, { config, secrets }),
  };
}

type Entry = readonly [name: string, provider: CatalogueProvider];

function buildVendor(
  [name, entry]: Entry,
  { targets }: Catalogue,
  { config, secrets }: Deployment,
): Vendor | undefined {
  const settings = providerSettings(entry, config, secrets);
  if (settings === undefined) return undefined;
  const { create, callbacks } = adapterOf(entry.kind);
  return {
    name,
    provider: create(settings),
    callbacks: config.api.publicUrl !== undefined && callbacks !== 'none',
    remoteFiles: createRemoteFiles({ policy: vendorUrlPolicy(settings) }),
    pools: poolsOf([name, entry], targets, accountLevel(entry, config, secrets)),
  };
}

function poolsOf(
  [provider, { pools }]: Entry,
  targets: Catalogue['targets'],
  level: string | undefined,
): readonly PoolLimits[] {
  return Object.entries(pools).map(([id, pool]) => {
    const { outstanding, per_minute } = limitsOfPool(pool, level);
    return { id, provider, outstandingMax: outstanding, perMinuteMax: per_minute, targets: targetsOf(targets, id) };
  });
}

function targetsOf(targets: Catalogue['targets'], pool: string): readonly TargetLimits[] {
  return Object.entries(targets)
    .filter(([, target]) => target.pool === pool)
    .map(([name, { limits }]) => {
      return { name, outstandingMax: limits?.outstanding ?? null, perMinuteMax: limits?.per_minute ?? null };
    });
}

function noKey({ providers }: Catalogue): ConfigError {
  const variables = Object.values(providers).map(({ key_variable }) => key_variable);
  return new ConfigError(
    `None of ${variables.join(', ')} is set: set the key of a provider to use it, or try \`npm run demo\`, which needs none.`,
  );
}
