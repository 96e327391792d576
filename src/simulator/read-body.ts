import type { IncomingMessage } from 'node:http';

/** Wide enough for an image sent as a data URL. */
const bodyBytesMax = 32 * 1024 * 1024;

/** The JSON object of a request; undefined when it is none, or too long. An absent body reads as `{}`. */
export async function readJsonObject(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const body = await readJson(request);
  return isObject(body) ? body : undefined;
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request);
  if (!bytes) return undefined;
  return bytes.length === 0 ? {} : parse(bytes.toString('utf8'));
}

/** Reads to the end in any case; undefined when it is too long. */
export async function readBytes(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= bodyBytesMax) chunks.push(chunk);
  }
  return length > bodyBytesMax ? undefined : Buffer.concat(chunks);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
