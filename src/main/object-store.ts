import { join } from 'node:path';
import type { Config } from '../config.ts';
import { createLocalObjectStore } from '../storage/local-object-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createS3ObjectStore } from '../storage/s3-object-store.ts';

type StoreConfig = Pick<Config, 's3' | 'dataDirectory'>;

/** Where pictures and videos are kept, as configured. */
export function createObjectStore(config: StoreConfig): ObjectStore {
  return config.s3 ? createS3ObjectStore(config.s3) : createLocalObjectStore(folderOf(config));
}

/** What to say at start: a folder of one machine is not seen by another. */
export function storageNotice(config: StoreConfig): string | undefined {
  if (config.s3) return undefined;
  return `Pictures and videos are files in ${folderOf(config)}: several machines need a shared volume there, or S3_BUCKET.`;
}

function folderOf({ dataDirectory }: StoreConfig): string {
  return join(dataDirectory, 'objects');
}
