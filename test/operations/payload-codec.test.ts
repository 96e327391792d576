import type { Payload } from '@temporalio/common';
import { expect, test } from 'vitest';
import { createPayloadCodec, PayloadKeyError } from '../../src/operations/payload-codec.ts';

const key = (id: string, byte: number) => ({ id, key: Buffer.alloc(32, byte) });
const [first, second] = [key('k1', 1), key('k2', 2)];
const json = (value: unknown): Payload => ({
  metadata: { encoding: Buffer.from('json/plain'), type: Buffer.from('Ünïcode') },
  data: Buffer.from(JSON.stringify(value)),
});
const nothing: Payload = { metadata: { encoding: Buffer.from('binary/null') } };

/** What Temporal keeps of a payload, as text. */
const keptOf = ({ metadata, data }: Payload): string =>
  [...Object.entries(metadata ?? {}).flat(), data ?? ''].map((part) => Buffer.from(part).toString('latin1')).join('|');

const plain = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString()]),
  ),
  data: Buffer.from(data ?? []).toString(),
});

test('what goes in comes out, data and metadata, and nothing of it can be read meanwhile', async () => {
  const codec = createPayloadCodec([first]);
  const payloads = [json({ job: 'video_123' }), nothing, { metadata: {}, data: Buffer.alloc(0) }];
  const encoded = await codec.encode(payloads);
  const kept = encoded.map(keptOf).join('\n');
  expect(kept).not.toMatch(/video_123|json|code/);
  expect(kept.match(/encryption-key-id\|k1/g)).toHaveLength(3);
  expect((await codec.decode(encoded)).map(plain)).toEqual(payloads.map(plain));
});

test('the same payload is never the same twice', async () => {
  const codec = createPayloadCodec([first]);
  const [one, other] = await codec.encode([json(1), json(1)]);
  expect(keptOf(one ?? {})).not.toBe(keptOf(other ?? {}));
});

test('a new key encrypts while the old one still opens; without the old one its id is named', async () => {
  const old = await createPayloadCodec([first]).encode([json('old')]);
  const rotated = createPayloadCodec([second, first]);
  expect((await rotated.decode(old)).map(plain)).toEqual([plain(json('old'))]);
  const fresh = await rotated.encode([json('new')]);
  expect(keptOf(fresh[0] ?? {})).toContain('encryption-key-id|k2');
  const only = createPayloadCodec([second]);
  expect((await only.decode(fresh)).map(plain)).toEqual([plain(json('new'))]);
  await expect(only.decode(old)).rejects.toThrow(/key 'k1'.*PAYLOAD_ENCRYPTION_KEYS/);
  await expect(only.decode(old)).rejects.toBeInstanceOf(PayloadKeyError);
});

test('what was never encrypted passes, and without a key nothing is encrypted', async () => {
  expect((await createPayloadCodec([first]).decode([json('open'), nothing])).map(plain)).toEqual([
    plain(json('open')),
    plain(nothing),
  ]);
  expect(await createPayloadCodec([]).encode([nothing])).toEqual([nothing]);
});

test.each([
  ['another key under the same id', async () => createPayloadCodec([key('k1', 9)]), (payload: Payload) => payload],
  ['a byte that was changed', async () => createPayloadCodec([first]), (payload: Payload) => tamper(payload)],
  [
    'a payload that was cut',
    async () => createPayloadCodec([first]),
    ({ metadata, data }: Payload) => ({ metadata: metadata ?? {}, data: (data ?? Buffer.alloc(0)).subarray(0, 20) }),
  ],
])('%s is noticed, and named without a word of the content', async (_how, codec, change) => {
  const [encoded = {}] = await createPayloadCodec([first]).encode([json('secret')]);
  const decoding = (await codec()).decode([change(encoded)]);
  await expect(decoding).rejects.toThrow(/does not open with the key 'k1'/);
  await expect(decoding).rejects.not.toThrow(/secret/);
});

function tamper({ metadata, data }: Payload): Payload {
  const changed = Buffer.from(data ?? []);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  return { metadata: metadata ?? {}, data: changed };
}
