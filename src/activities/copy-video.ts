import { createHash } from 'node:crypto';
import { limits } from '../domain/limits/limits.ts';
import { videoHeadBytes, type VideoType, videoTypeOf } from '../domain/video-type.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { RemoteFile } from './deps.ts';

/** A video that is ours now, whole. */
export interface CopiedVideo {
  readonly contentType: VideoType;
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

/** What was made can't become ours, however often we try. */
export class UnusableVideoError extends Error {
  override name = 'UnusableVideoError';
  /** Why, as `failure.vendorCode` has it. */
  readonly vendorCode: string;

  constructor(vendorCode: string, options?: ErrorOptions) {
    super(`the video is not usable: ${vendorCode}`, options);
    this.vendorCode = vendorCode;
  }
}

export interface CopyOrder {
  readonly store: ObjectStore;
  readonly key: string;
  readonly signal: AbortSignal;
  readonly onBytes: (soFar: number) => void;
}

/**
 * Copies an opened file as it comes. It is a video by its type and by its first bytes, no larger than we take, and as
 * long as it was announced; else nothing is kept. Throws `UnusableVideoError` for what no further try would mend.
 */
export async function copyVideo(file: RemoteFile, order: CopyOrder): Promise<CopiedVideo> {
  const inspection = new Inspection();
  try {
    inspection.announce(file.headers);
    const body = inspection.pass(file.body, order.onBytes);
    await order.store.write(order.key, { body, signal: order.signal });
    return inspection.result();
  } catch (error) {
    // A store may wrap what its body failed with.
    throw inspection.fault ?? error;
  } finally {
    file.body.destroy();
  }
}

/** Looks at the bytes on their way. */
class Inspection {
  fault: Error | undefined;
  #announced: number | undefined;
  readonly #hash = createHash('sha256');
  #head = Buffer.alloc(0);
  #bytes = 0;

  announce({ 'content-type': type, 'content-length': length }: RemoteFile['headers']): void {
    this.#announced = length === undefined ? undefined : Number(length);
    if ((this.#announced ?? 0) > limits.assetBytesMax) throw new UnusableVideoError('too_large');
    if (type !== undefined && !plausibleType.test(type)) throw new UnusableVideoError('not_a_video');
  }

  async *pass(body: AsyncIterable<Uint8Array>, onBytes: (soFar: number) => void): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#inspect(chunk);
      onBytes(this.#bytes);
      yield chunk;
    }
    this.#type();
    const isWhole = this.#announced === undefined || this.#announced === this.#bytes;
    if (!isWhole) throw this.#failed(new Error('the video was cut off on its way: fewer or more bytes than announced'));
  }

  result(): CopiedVideo {
    return { contentType: this.#type(), bytes: this.#bytes, sha256: this.#hash.digest() };
  }

  #inspect(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    if (this.#bytes > limits.assetBytesMax) throw this.#failed(new UnusableVideoError('too_large'));
    this.#hash.update(chunk);
    if (this.#head.byteLength >= videoHeadBytes) return;
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, videoHeadBytes)]);
    if (this.#head.byteLength >= videoHeadBytes) this.#type();
  }

  #type(): VideoType {
    const type = videoTypeOf(this.#head);
    if (type === undefined) throw this.#failed(new UnusableVideoError('not_a_video'));
    return type;
  }

  #failed(error: Error): Error {
    this.fault = error;
    return error;
  }
}

/** Stores that were told nothing say `octet-stream`. */
const plausibleType = /^(video\/|(application|binary)\/octet-stream)/i;
