import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { createPayloadCodec, type PayloadKey } from '../../operations/payload-codec.ts';

/** The SDK loads it by its path, into the workflows' sandbox too: from `src` and from `dist` alike. */
const failureConverterPath = fileURLToPath(
  new URL(`../../workflows/encoded-failures${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
);

/** How payloads are kept at Temporal: encrypted where there is a key, messages of failures included. */
export function payloadConverterOf(keys: readonly PayloadKey[]): { readonly dataConverter?: DataConverter } {
  if (keys.length === 0) return {};
  return { dataConverter: { payloadCodecs: [createPayloadCodec(keys)], failureConverterPath } };
}
