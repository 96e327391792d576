import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { limits } from '../domain/limits/limits.ts';
import {
  assertKey,
  assertRange,
  type ByteRange,
  contentTypeOf,
  type ObjectFacts,
  type ObjectStore,
  type OpenedObject,
} from './object-store.ts';
import { createS3Links } from './s3-links.ts';
import { uploadToS3 } from './s3-upload.ts';

export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Another service than AWS. */
  readonly endpoint: string | undefined;
  /** Where clients reach that service. Links are signed for it, and nothing else goes there. */
  readonly publicEndpoint: string | undefined;
  readonly prefix: string;
  readonly pathStyle: boolean;
  /** Default: the usual places of the SDK. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly timeouts?: S3Timeouts;
}

export interface S3Timeouts {
  readonly connectMs: number;
  /** Without a byte in either direction. It counts for a reader that pauses, too. */
  readonly idleMs: number;
  /** From the first byte of a request until the head of its answer. */
  readonly answerMs: number;
}

/**
 * Objects of one bucket. It wants two things of its operator: the permission `s3:ListBucket`, without which AWS says 403
 * to a key that is missing, and a lifecycle rule that ends incomplete multipart uploads, for those of processes that were
 * killed. A bucket that keeps versions keeps what was erased.
 */
export function createS3ObjectStore(settings: S3Settings): ObjectStore {
  const client = createClient(settings, settings.endpoint);
  const place = (key: string) => {
    assertKey(key);
    return { Bucket: settings.bucket, Key: settings.prefix + key };
  };
  return {
    async write(key, object) {
      await uploadToS3({ client, place: place(key), contentType: contentTypeOf(key) }, object);
    },
    async open(key, range) {
      assertRange(range);
      return await openObject(client, { ...place(key), range });
    },
    async describe(key) {
      return await describe(client, place(key));
    },
    async copy(from, to) {
      const { Bucket, Key } = place(from);
      const source = [Bucket, ...Key.split('/')].map(encodeURIComponent).join('/');
      const type = { ContentType: contentTypeOf(to), MetadataDirective: 'REPLACE' } as const;
      const copied = await client
        .send(new CopyObjectCommand({ ...place(to), ...type, CopySource: source }))
        .catch(missing);
      return copied !== undefined;
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand(place(key))).catch(missing);
    },
    links: createS3Links({ client: createClient(settings, settings.publicEndpoint), place }),
  };
}

/** The bucket and the key in it. */
export interface S3Place {
  readonly Bucket: string;
  readonly Key: string;
}

function createClient(settings: S3Settings, endpoint: string | undefined): S3Client {
  const { connectMs, idleMs, answerMs } = settings.timeouts ?? defaultTimeouts;
  const sockets = { keepAlive: true, maxSockets: limits.objectSocketsMax };
  return new S3Client({
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    ...(endpoint !== undefined && { endpoint }),
    ...(settings.credentials && { credentials: settings.credentials }),
    retryMode: 'standard',
    maxAttempts: limits.objectTriesMax,
    // The SHA-256 of every body is part of its signature, so a service that checks signatures checks bytes as well. The
    // SDK's further checksums are headers that services other than AWS answer with 400 or 501, and a link would carry
    // that of an empty body; without them there is nothing to compare with when an object is read.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // A part is small enough to be sent unasked; a service that never says "continue" would cost the whole wait.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: idleMs,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
      httpAgent: sockets,
      httpsAgent: sockets,
    },
  });
}

const defaultTimeouts: S3Timeouts = {
  connectMs: limits.objectConnectMsMax,
  idleMs: limits.objectIdleMsMax,
  answerMs: limits.objectAnswerMsMax,
};

async function openObject(
  client: S3Client,
  { range, ...place }: S3Place & { readonly range: ByteRange | undefined },
): Promise<OpenedObject | undefined> {
  try {
    const wanted = range && { Range: `bytes=${range.start}-${range.end}` };
    const answer = await client.send(new GetObjectCommand({ ...place, ...wanted }));
    const bytes = Number(answer.ContentRange?.split('/')[1] ?? answer.ContentLength);
    if (!(answer.Body instanceof Readable)) throw new Error('assertion failed: the SDK streams an object on Node');
    return { bytes, body: answer.Body };
  } catch (error) {
    if (!(error instanceof S3ServiceException) || error.name !== 'InvalidRange') return missing(error);
    const facts = await describe(client, place);
    return facts && { ...facts, body: Readable.from([]) };
  }
}

async function describe(client: S3Client, place: S3Place): Promise<ObjectFacts | undefined> {
  const answer = await client.send(new HeadObjectCommand(place)).catch(missing);
  return answer && { bytes: answer.ContentLength ?? 0 };
}

/** There is no body to the answer of a HEAD, so its 404 has a name of its own. */
function missing(error: unknown): undefined {
  if (error instanceof S3ServiceException && ['NoSuchKey', 'NotFound'].includes(error.name)) return undefined;
  throw error;
}
