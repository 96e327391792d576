import { limitsOfPreset, type Catalogue } from '../catalogue/schema.ts';
import { ConfigError, type Config, type Secrets } from '../config.ts';
import type { PoolLimits } from '../db/pools.ts';
import { createVideoOpener, type OpenRemoteVideo } from '../providers/video.ts';
import type { VideoProvider } from '../providers/provider.ts';
import { createProvider } from '../providers/registry.ts';

/** The vendors of this deployment, by the catalogue's names. */
export interface Vendors {
  readonly providers: ReadonlyMap<string, VideoProvider>;
  readonly openVideo: ReadonlyMap<string, OpenRemoteVideo>;
  readonly pools: readonly PoolLimits[];
  /** Where a job that we left can be stopped, its cost with it. */
  readonly stoppable: ReadonlySet<string>;
}

/** What the simulator's and the demo's vendor need of a key: it takes any. */
const simulatedKey = 'simulated';

export function buildVendors(catalogue: Catalogue, config: Config, secrets: Secrets): Vendors {
  const providers = new Map<string, VideoProvider>();
  const openVideo = new Map<string, OpenRemoteVideo>();
  for (const [name, { kind, base_url }] of Object.entries(catalogue.providers)) {
    const origin = config.wavespeed.baseUrl ?? base_url;
    const apiKey = secrets.wavespeedApiKey ?? (config.simulated ? simulatedKey : undefined);
    if (apiKey === undefined) {
      throw new ConfigError(
        'WAVESPEED_API_KEY is not set: set it to use the real vendor, or try `npm run demo`, which needs no key.',
      );
    }
    providers.set(name, createProvider(kind, { origin, apiKey, webhookSecret: secrets.wavespeedWebhookSecret }));
    openVideo.set(name, createVideoOpener({ ownOrigin: origin, allowLoopbackHttp: config.simulated }));
  }
  const stoppable = new Set(
    [...providers].flatMap(([name, { cancelMeans }]) => (cancelMeans === 'stops' ? [name] : [])),
  );
  return { providers, openVideo, pools: poolLimits(catalogue, config), stoppable };
}

function poolLimits(catalogue: Catalogue, { wavespeed }: Config): readonly PoolLimits[] {
  return Object.entries(catalogue.providers).flatMap(([provider, { pools }]) =>
    Object.entries(pools).map(([id, pool]) => {
      const preset = wavespeed.tier ?? ('preset' in pool ? pool.preset : undefined);
      const limits = preset === undefined && 'outstanding' in pool ? pool : limitsOfPreset(preset ?? 'bronze');
      return { id, provider, outstandingMax: limits.outstanding, perMinuteMax: limits.per_minute };
    }),
  );
}
