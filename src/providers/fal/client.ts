import { limits } from '../../domain/limits/limits.ts';
import { createHttp } from '../http.ts';
import { vendorUrlPolicy } from '../hostile-url.ts';
import { createRemoteFiles, type RemoteFiles } from '../remote-file.ts';
import type { ProviderSettings } from '../settings.ts';
import { createVendorClient, type VendorClient } from '../vendor-client.ts';
import { createPublishedKeys, type PublishedKeys } from './jwks.ts';

/** fal is two places: the queue, which takes orders, and `rest`, which takes pictures and publishes keys. */
export interface FalClient {
  readonly queue: VendorClient;
  readonly rest: VendorClient;
  readonly keys: PublishedKeys;
  /** For the upload URLs that `rest` hands out: no key of ours goes there. */
  readonly files: RemoteFiles;
  readonly baseUrl: string;
}

export function createClient(settings: ProviderSettings): FalClient {
  const restUrl = settings.otherUrls?.['rest'];
  if (restUrl === undefined) {
    throw new Error('fal needs a second URL: set other_urls.rest in its entry in models.yaml, or leave fal out');
  }
  const headers = () => ({ authorization: `Key ${settings.apiKey}` });
  const queue = createVendorClient(settings, headers);
  const { connectMs, uploadMs } = queue.timeouts;
  const keyless = createHttp({
    baseUrl: restUrl,
    headers: () => ({}),
    timeouts: { connectMs, totalMs: limits.publishedKeysAnswerMsMax },
    bytesMax: limits.publishedKeysBytesMax,
  });
  return {
    queue,
    rest: createVendorClient({ ...settings, baseUrl: restUrl }, headers),
    keys: createPublishedKeys({ http: keyless, now: queue.now }),
    files: createRemoteFiles({
      policy: vendorUrlPolicy({ baseUrl: restUrl, plainHttpAllowed: settings.plainHttpAllowed }),
      timeouts: { connectMs, uploadMs },
    }),
    baseUrl: settings.baseUrl,
  };
}
