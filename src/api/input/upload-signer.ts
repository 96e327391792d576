import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a signed URL allows: to PUT this much of this type to this upload, until then. */
export interface UploadPermission {
  readonly id: string;
  /** Unix seconds. */
  readonly expires: number;
  readonly bytes: number;
  readonly contentType: string;
}

/** Signs URLs of ours, and knows them again in any process. */
export interface UploadSigner {
  sign(permission: UploadPermission): Promise<string>;
  /** Takes the same time for every wrong signature. */
  hasSigned(permission: UploadPermission, signature: string): Promise<boolean>;
}

/** `readSecret` is called until it succeeds once. */
export function createUploadSigner(readSecret: () => Promise<Uint8Array>): UploadSigner {
  let secret: Promise<Uint8Array> | undefined;
  return {
    sign,
    async hasSigned(permission, signature) {
      const given = Buffer.from(signature);
      const expected = Buffer.from(await sign(permission));
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };

  async function sign({ id, expires, bytes, contentType }: UploadPermission): Promise<string> {
    secret ??= readSecret().catch((error: unknown) => {
      secret = undefined;
      throw error;
    });
    const text = ['PUT', id, expires, bytes, contentType].join('\n');
    return createHmac('sha256', await secret)
      .update(text)
      .digest('base64url');
  }
}
