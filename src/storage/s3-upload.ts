import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { limits } from '../domain/limits/limits.ts';
import { consumeBody } from './consume-body.ts';
import type { NewObject } from './object-store.ts';

export interface UploadTarget {
  readonly client: S3Client;
  readonly place: { readonly Bucket: string; readonly Key: string };
  readonly contentType: string;
}

/**
 * Sends a body of any length: at once where it is shorter than a part, else part by part with one part in memory. When
 * it returns or throws, nothing is under way any more. (`@aws-sdk/lib-storage` does not do that: its abort rejects, and
 * the object appears all the same; aws-sdk-js-v3 #5109.)
 */
export async function uploadToS3(target: UploadTarget, object: NewObject): Promise<void> {
  await consumeBody(object, async (chunks) => {
    const parts: CompletedPart[] = [];
    let uploadId: string | undefined;
    try {
      for await (const bytes of inParts(chunks)) {
        const part = { bytes, signal: object.signal };
        if (uploadId === undefined && bytes.byteLength < limits.objectPartBytes) return await putWhole(target, part);
        uploadId ??= await beginUpload(target);
        if (bytes.byteLength > 0) parts.push(await sendPart(target, { ...part, uploadId, number: parts.length + 1 }));
      }
      await completeUpload(target, { uploadId, parts });
    } catch (error) {
      await abandonUpload(target, uploadId);
      throw error;
    }
  });
}

interface Bytes {
  readonly bytes: Uint8Array;
  readonly signal: AbortSignal | undefined;
}

async function putWhole({ client, place, contentType }: UploadTarget, { bytes, signal }: Bytes): Promise<void> {
  await client.send(new PutObjectCommand({ ...place, ContentType: contentType, Body: bytes }), abortedBy(signal));
}

/** No abort may cut it off: an upload whose id nobody learned could not be abandoned. */
async function beginUpload({ client, place, contentType }: UploadTarget): Promise<string> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...place, ContentType: contentType }));
  if (UploadId === undefined) throw new Error('The object store began an upload without an id. Does it speak S3?');
  return UploadId;
}

async function sendPart(
  { client, place }: UploadTarget,
  { uploadId, number, bytes, signal }: Bytes & { readonly uploadId: string; readonly number: number },
): Promise<CompletedPart> {
  const part = new UploadPartCommand({ ...place, UploadId: uploadId, PartNumber: number, Body: bytes });
  const { ETag } = await client.send(part, abortedBy(signal));
  return { PartNumber: number, ETag };
}

/** No abort may cut it off either: nobody would know whether the object is there. */
async function completeUpload(
  { client, place }: UploadTarget,
  { uploadId, parts }: { readonly uploadId: string | undefined; readonly parts: CompletedPart[] },
): Promise<void> {
  const complete = { ...place, UploadId: uploadId, MultipartUpload: { Parts: parts } };
  await client.send(new CompleteMultipartUploadCommand(complete));
}

/** What can't be tidied up now is left to the bucket's lifecycle rule. The error that brought us here says more. */
async function abandonUpload({ client, place }: UploadTarget, uploadId: string | undefined): Promise<void> {
  if (uploadId === undefined) return;
  const abandon = new AbortMultipartUploadCommand({ ...place, UploadId: uploadId });
  await client.send(abandon, abortedBy(AbortSignal.timeout(limits.objectAbandonMsMax))).catch(() => undefined);
}

/** Parts of full length, and a last one that is shorter, or even empty. */
async function* inParts(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let chunks: Uint8Array[] = [];
  let missing: number = limits.objectPartBytes;
  for await (const chunk of body) {
    let rest = chunk;
    while (rest.byteLength >= missing) {
      yield Buffer.concat([...chunks, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      chunks = [];
      missing = limits.objectPartBytes;
    }
    chunks.push(rest);
    missing -= rest.byteLength;
  }
  yield Buffer.concat(chunks);
}

function abortedBy(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
