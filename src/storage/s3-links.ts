import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { assert } from '../domain/assert.ts';
import { contentTypeOf, type ObjectLinks } from './object-store.ts';

export interface LinkSigner {
  /** At the address that clients reach. It signs and never sends. */
  readonly client: S3Client;
  readonly place: (key: string) => { readonly Bucket: string; readonly Key: string };
}

/** URLs that carry our signature in place of a key. What they are good for is signed, too. */
export function createS3Links({ client, place }: LinkSigner): ObjectLinks {
  return {
    async download(key, { secondsValid, filename }) {
      // It goes into a header of the answer.
      assert(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(filename), 'a file name is plain');
      const answer = {
        ResponseContentType: contentTypeOf(key),
        ResponseContentDisposition: `attachment; filename="${filename}"`,
      };
      return await getSignedUrl(client, new GetObjectCommand({ ...place(key), ...answer }), {
        expiresIn: secondsValid,
      });
    },
    async upload(key, { secondsValid, bytes }) {
      const contentType = contentTypeOf(key);
      const put = new PutObjectCommand({ ...place(key), ContentType: contentType, ContentLength: bytes });
      const url = await getSignedUrl(client, put, {
        expiresIn: secondsValid,
        // The SDK leaves the type out of the signature unless it is told.
        signableHeaders: new Set(['host', 'content-type', 'content-length']),
      });
      // Every client sends the length of a body by itself, and a browser lets nobody set it.
      return { url, headers: { 'content-type': contentType } };
    },
  };
}
