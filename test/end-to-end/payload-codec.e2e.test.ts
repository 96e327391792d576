import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { afterAll, expect, test } from 'vitest';
import { createPayloadCodec } from '../../src/operations/payload-codec.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const [one, two] = [1, 2].map((byte) => `k${byte}:${Buffer.alloc(32, byte).toString('base64')}`);
const codecKey = 'codec-key-of-thirty-two-characters';
const uiOrigin = 'https://temporal.example.com';
let directory: string;
/** As a secret is mounted in a container: what processes find in it when they start. */
const keyFile = (): string => join(directory, 'payload-keys');
const stack = useStack(async () => {
  directory = await makeTestDirectory();
  await mkdir(directory, { recursive: true });
  await writeFile(keyFile(), `${one}`);
  const env = { PAYLOAD_ENCRYPTION_KEYS_FILE: keyFile(), PAYLOAD_CODEC_KEY: codecKey, TEMPORAL_UI_URL: `${uiOrigin}/` };
  return { env, providers: ['wavespeed'] };
});
afterAll(async () => await rm(directory, { recursive: true, force: true }));

/** A history as Temporal keeps it, all its texts and bytes one after the other: what can be read in it can be found. */
async function keptOf(id: string): Promise<string> {
  return textsIn(await stack.temporal.workflow.getHandle(id).fetchHistory()).join('\n');
}

function textsIn(value: unknown): readonly string[] {
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('latin1')];
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([name, one]) => [name, ...textsIn(one)]);
  return typeof value === 'string' ? [value] : [];
}

async function restart(keys: string): Promise<void> {
  await writeFile(keyFile(), keys);
  for (const name of ['api', 'worker'] as const) await stack.end(name, 'SIGTERM');
  await Promise.all([stack.start('api'), stack.start('worker')]);
}

/** What would say what a job is about: targets, models of vendors, terms of ours. */
const telling = /wavespeed\/|patienceMs|kwaivgi|alibaba|provider_failed/;

test('a job runs from end to end with its payloads encrypted: what it is about can’t be read, and its failure neither', async () => {
  const { id } = await stack.accept({ prompt: 'a fox' });
  await stack.untilFinal(id);
  const failing = await stack.accept({ prompt: '[sim:failed]', fallback: 'none' });
  await stack.untilFinal(failing.id);
  for (const kept of [await keptOf(id), await keptOf(failing.id)]) {
    expect(kept).toContain('encryption-key-id');
    expect(kept).not.toMatch(telling);
  }
  // With the key it is all there.
  const codec = createPayloadCodec([{ id: 'k1', key: Buffer.alloc(32, 1) }]);
  const { events } = await stack.temporal.workflow.getHandle(id).fetchHistory();
  const input = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  expect(textsIn(await codec.decode(input)).join()).toMatch(telling);
  const client = new Client({
    connection: stack.temporal.connection,
    namespace: stack.namespace,
    dataConverter: { payloadCodecs: [codec] },
  });
  expect(await client.workflow.getHandle(id).result()).toMatchObject({ phase: 'completed' });
  await expect(stack.temporal.workflow.getHandle(id).result()).rejects.toThrow(/encoding/i);
});

test('a timeline is asked of the workflow, and answered, through the codec', async () => {
  const { id } = await stack.accept({ prompt: 'a hare' });
  await stack.untilFinal(id);
  const response = await fetch(`${stack.url}/v1/videos/${id}/timeline`);
  expect(response.status).toBe(200);
});

test('a key is changed while a job is under way, and each of its halves is read', async () => {
  const { id } = await stack.accept({ prompt: '[sim:stuck] patience', fallback: 'none' });
  const operation = await until('the vendor works on it', async () => {
    const { rows } = await stack.pool.query<{ operation: string | null }>(
      'SELECT operation FROM attempts WHERE job = $1',
      [id],
    );
    return rows[0]?.operation;
  });
  expect(await keptOf(id)).toContain('k1');
  await restart(`${two},${one}`);
  await stack.vendor.finish(operation);
  expect(await stack.untilFinal(id, { withinMs: 90_000 })).toMatchObject({ status: 'completed', attempts: 1 });
  expect(await keptOf(id)).toMatch(/k1.*k2/s);
}, 240_000);

test('Temporal UI reads payloads through the ops port: with the key, from its own origin', async () => {
  const ops = [...(await stack.log('api')).matchAll(/"ops":"([^"]+)"/g)].at(-1)?.[1] ?? '';
  const { id } = await stack.accept({ prompt: 'a heron' });
  await stack.untilFinal(id);
  const { events } = await stack.temporal.workflow.getHandle(id).fetchHistory();
  const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const metadata = Object.entries(payload?.metadata ?? {}).map(([name, value]) => [
    name,
    Buffer.from(value).toString('base64'),
  ]);
  const wire = { metadata: Object.fromEntries(metadata), data: Buffer.from(payload?.data ?? []).toString('base64') };
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(`${ops}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: uiOrigin, ...headers },
      body: JSON.stringify({ payloads: [wire] }),
    });
  expect((await ask('/codec/decode')).status).toBe(401);
  expect((await ask(`/codec/${codecKey}x/decode`)).status).toBe(401);
  for (const answer of [
    await ask('/codec/decode', { authorization: `Bearer ${codecKey}` }),
    await ask(`/codec/${codecKey}/decode`),
  ]) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe(uiOrigin);
    const { payloads }: { payloads: { data: string }[] } = JSON.parse(await answer.text());
    expect(Buffer.from(payloads[0]?.data ?? '', 'base64').toString()).toContain(id);
  }
});
