import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createObjectStore, storageNotice } from '../../src/main/object-store.ts';

let dataDirectory: string;
beforeEach(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), 'spillway-data-'));
});
afterEach(() => rm(dataDirectory, { recursive: true, force: true }));

const s3 = {
  bucket: 'bucket',
  region: 'us-east-1',
  endpoint: undefined,
  publicEndpoint: undefined,
  prefix: '',
  pathStyle: false,
};

test('without a bucket it is a folder of the data directory, and says what several machines need', async () => {
  const config = { dataDirectory, s3: undefined };
  await createObjectStore(config).write('a.png', { body: Buffer.from('x') });
  expect(String(await readFile(join(dataDirectory, 'objects/a.png')))).toBe('x');
  expect(storageNotice(config)).toContain(`${dataDirectory}/objects: several machines need a shared volume`);
  expect(storageNotice(config)).toContain('S3_BUCKET');
});

test('with a bucket it has links, and nothing needs to be said', () => {
  const config = { dataDirectory, s3 };
  expect(createObjectStore(config).links).toBeDefined();
  expect(storageNotice(config)).toBeUndefined();
});
