import { randomUUID } from 'node:crypto';
import type { Config, Secrets } from '../../config.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { type Check, fail, type Finding, ok, warn } from './check.ts';
import { createObjectStore } from '../object-store.ts';

export interface StorageDoctor {
  readonly config: Config;
  readonly secrets: Secrets;
}

export function storageChecks({ config, secrets }: StorageDoctor): readonly Check[] {
  const store = createObjectStore(config);
  return [
    {
      name: 'object store',
      run: () => checkStore(store, config),
      advice:
        config.s3 === undefined
          ? 'See that DATA_DIRECTORY exists, may be written to, and has room.'
          : 'Check S3_BUCKET, S3_REGION, S3_ENDPOINT and the keys of AWS: get, put and delete of objects are needed.',
    },
    { name: 'encryption', run: async () => checkEncryption(config, secrets), advice: '' },
  ];
}

/** Writes, reads and removes an object of a few bytes. */
async function checkStore(store: ObjectStore, { s3, dataDirectory }: Config): Promise<Finding> {
  const key = `doctor/${randomUUID()}/probe.jpg`;
  const written = Buffer.from(`probe ${randomUUID()}`);
  await store.write(key, { body: written });
  try {
    const opened = await store.open(key);
    const chunks: Buffer[] = [];
    for await (const chunk of opened?.body ?? []) chunks.push(Buffer.from(chunk));
    if (!Buffer.concat(chunks).equals(written))
      return fail('What was written is not what is read again.', 'Look for another program that writes there.');
  } finally {
    await store.remove(key);
  }
  if ((await store.describe(key)) !== undefined)
    return fail('What was removed is still there.', 'Allow the deletion of objects, and of their versions.');
  return ok(
    s3 === undefined
      ? `Pictures and videos are files in ${dataDirectory}, which several machines have to share.`
      : `The bucket ${s3.bucket} takes, gives and removes objects.`,
  );
}

function checkEncryption({ isProduction }: Config, { encryptionKeys, payloadKeys }: Secrets): Finding {
  const payloads =
    payloadKeys[0] === undefined
      ? 'Histories of Temporal hold ids in clear'
      : `Histories of Temporal are encrypted with the key ${payloadKeys[0].id}`;
  if (encryptionKeys[0] !== undefined)
    return ok(`Webhook secrets are sealed with the key ${encryptionKeys[0].id}. ${payloads}.`);
  const sentence = `ENCRYPTION_KEYS is not set, so webhook secrets lie open in the database. ${payloads}.`;
  const advice = 'Set ENCRYPTION_KEYS=k1:$(openssl rand -base64 32), and keep it safe beside the backups.';
  return isProduction ? fail(sentence, advice) : warn(sentence, advice);
}
