import { createHmac, timingSafeEqual } from 'node:crypto';
import { isJobId, type JobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';

/** What a client token allows: to follow this job, and to fetch its video, until then. */
export interface ClientPermission {
  readonly jobId: JobId;
  /** Unix seconds. */
  readonly expires: number;
}

/**
 * `spw_job_<…>`: for phones and browsers, which must not hold their tenant's key. It says by itself what it allows, so
 * that a forged one costs no statement; and it follows from the job alone, so that a replayed answer has the same one.
 */
export interface ClientTokens {
  /**
   * Rejects where the secret cannot be read: ask before anything is done that the token is to go with. No promise once it
   * was read: a flood has no time to wait for what is there.
   */
  ready(): SignClientToken | Promise<SignClientToken>;
  /** Undefined: it is none of ours. Whether it has expired is for the caller to see. */
  read(token: string): Promise<ClientPermission | undefined>;
}

/** The token of a job, by the moment when it was accepted in milliseconds since the epoch. */
export type SignClientToken = (job: { readonly id: JobId; readonly acceptedAt: number }) => string;

/** `readSecret` is called until it succeeds once. */
export function createClientTokens(readSecret: () => Promise<Uint8Array>): ClientTokens {
  let secret: Promise<Uint8Array> | undefined;
  let sign: SignClientToken | undefined;
  return {
    ready() {
      return sign ?? secretOnce().then((key) => (sign = signerOf(key)));
    },
    async read(token) {
      if (!pattern.test(token)) return undefined;
      const bytes = Buffer.from(token.slice(prefix.length), 'base64url');
      const said = bytes.subarray(0, saidBytes);
      const isOurs = timingSafeEqual(bytes.subarray(saidBytes), macOf(said, await secretOnce()));
      return isOurs ? permissionOf(said) : undefined;
    },
  };

  function secretOnce(): Promise<Uint8Array> {
    secret ??= readSecret().catch((error: unknown) => {
      secret = undefined;
      throw error;
    });
    return secret;
  }
}

function signerOf(key: Uint8Array): SignClientToken {
  return ({ id, acceptedAt }) => {
    const said = bytesOf({ jobId: id, expires: Math.floor(acceptedAt / 1_000) + limits.clientTokenSecondsValid });
    return `${prefix}${Buffer.concat([said, macOf(said, key)]).toString('base64url')}`;
  };
}

export function isClientToken(text: string): boolean {
  return text.startsWith(prefix);
}

const prefix = 'spw_job_';
const idBytes = 16;
const saidBytes = idBytes + 6;
/** Of 54 bytes, which fill 72 characters without a rest: there is one spelling of each token. */
const pattern = /^spw_job_[\w-]{72}$/;

function bytesOf({ jobId, expires }: ClientPermission): Buffer {
  const said = Buffer.alloc(saidBytes);
  said.write(jobId.slice('video_'.length).replaceAll('-', ''), 'hex');
  said.writeUIntBE(expires, idBytes, saidBytes - idBytes);
  return said;
}

function permissionOf(said: Buffer): ClientPermission | undefined {
  const hex = said.toString('hex', 0, idBytes);
  const jobId = `video_${hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`;
  return isJobId(jobId) ? { jobId, expires: said.readUIntBE(idBytes, saidBytes - idBytes) } : undefined;
}

function macOf(said: Buffer, secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update('client token\n').update(said).digest();
}
