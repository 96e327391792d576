import { MockActivityEnvironment } from '@temporalio/testing';
import pino from 'pino';
import { createStoreAsset } from '../../src/activities/store-asset.ts';
import { createPool } from '../../src/db/pool.ts';
import { vendorUrlPolicy } from '../../src/providers/hostile-url.ts';
import { createRemoteFiles } from '../../src/providers/remote-file.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';

/** A process of its own that copies one video, to be killed in the middle of it. */
const [url = '', directory = '', origin = '', jobId = ''] = process.argv.slice(2);

const policy = vendorUrlPolicy({ baseUrl: origin, plainHttpAllowed: true });
const storeAsset = createStoreAsset({
  db: createPool({ url, connectionsMax: 2, name: 'copying', onError: () => undefined }),
  providers: new Map(),
  remoteFiles: new Map([['vendor', createRemoteFiles({ policy })]]),
  store: createLocalObjectStore(directory),
  log: pino({ level: 'silent' }),
});
await new MockActivityEnvironment().run(storeAsset, { jobId, attempt: 1 });
