import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';

export interface PayloadKey {
  readonly id: string;
  readonly key: Buffer;
}

/** A payload was encrypted with a key that is not among ours, or it was changed since. */
export class PayloadKeyError extends Error {
  override name = 'PayloadKeyError';
}

const encoding = 'binary/encrypted';
const cipherName = 'AES-256-GCM';
const nonceBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM over whole payloads, metadata and all, with the first key; every key opens, so that a new one can be put
 * before the old ones. What is not encrypted passes as it is: histories from before the first key stay readable. Each
 * payload says in clear with which key it opens.
 */
export function createPayloadCodec(keys: readonly PayloadKey[]): PayloadCodec {
  return {
    encode: async (payloads) => payloads.map((payload) => encrypt(payload, keys)),
    decode: async (payloads) => payloads.map((payload) => decrypt(payload, keys)),
  };
}

function encrypt(payload: Payload, [current]: readonly PayloadKey[]): Payload {
  if (current === undefined) return payload;
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(associated(current.id));
  const sealed = Buffer.concat([cipher.update(write(payload)), cipher.final()]);
  return {
    metadata: {
      encoding: Buffer.from(encoding),
      'encryption-cipher': Buffer.from(cipherName),
      'encryption-key-id': Buffer.from(current.id),
    },
    data: Buffer.concat([nonce, cipher.getAuthTag(), sealed]),
  };
}

function decrypt(payload: Payload, keys: readonly PayloadKey[]): Payload {
  if (textOf(payload, 'encoding') !== encoding) return payload;
  const id = textOf(payload, 'encryption-key-id');
  const key = keys.find((one) => one.id === id)?.key;
  if (key === undefined)
    throw new PayloadKeyError(
      `a payload was encrypted with the key '${id}', which is not among PAYLOAD_ENCRYPTION_KEYS: put it there again`,
    );
  const bytes = Buffer.from(payload.data ?? []);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(associated(id))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    return read(Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]));
  } catch (cause) {
    throw new PayloadKeyError(
      `a payload does not open with the key '${id}': PAYLOAD_ENCRYPTION_KEYS has another key under that id`,
      { cause },
    );
  }
}

function associated(id: string): Buffer {
  return Buffer.from(`spillway payload ${id}`);
}

function textOf({ metadata }: Payload, name: string): string {
  return Buffer.from(metadata?.[name] ?? []).toString('utf8');
}

/**
 * The inner payload as bytes: a count of metadata, each name and value with its length before it, then the data. A form of
 * our own, because the one of protocol buffers would be a dependency more for five lines.
 */
function write({ metadata, data }: Payload): Buffer {
  const fields = Object.entries(metadata ?? {}).flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]);
  const parts = fields.flatMap((field) => [lengthOf(field.byteLength), field]);
  return Buffer.concat([lengthOf(fields.length), ...parts, Buffer.from(data ?? [])]);
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

function read(bytes: Buffer): Payload {
  let at = 4;
  const next = (): Buffer => {
    const length = bytes.readUInt32BE(at);
    const field = bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return field;
  };
  const fields = Array.from({ length: bytes.readUInt32BE(0) }, next);
  const metadata = Object.fromEntries(
    fields.flatMap((name, index) =>
      index % 2 === 0 ? [[name.toString('utf8'), fields[index + 1] ?? Buffer.alloc(0)]] : [],
    ),
  );
  return { metadata, data: bytes.subarray(at) };
}
