import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3ObjectStore } from '../../src/storage/s3-object-store.ts';
import { flatPng, noisy, phonePicture } from '../support/pictures.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';

let server: S3Server;
let store: ObjectStore;
let bench: ApiBench;
beforeAll(async () => {
  server = await startS3Server();
  const { endpoint, bucket, credentials } = server;
  const place = { bucket, region: 'us-east-1', endpoint, publicEndpoint: endpoint, prefix: '', pathStyle: true };
  store = createS3ObjectStore({ ...place, credentials });
  bench = await openApiBench({ store });
});
afterAll(async () => {
  await bench.close();
  await server.stop();
});

async function upload(bytes: Buffer): Promise<string> {
  const created = await fetch(`${bench.url}/v1/uploads`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content_type: 'image/jpeg', bytes: bytes.length }),
  });
  const { id, url, headers, method } = await created.json();
  // Past the API, to the bucket itself.
  expect(new URL(url).origin).toBe(new URL(server.endpoint).origin);
  const answer = await fetch(url, { method, headers, body: Uint8Array.from(bytes) });
  expect(answer.status).toBe(200);
  return id;
}

test('a picture goes to the bucket past the API, and from there to its job', async () => {
  const selfie = await phonePicture();
  const response = await bench.post({ prompt: 'a fox', input_reference: await upload(selfie) });
  expect(response.status).toBe(202);
  const { id } = await response.json();
  expect(await store.describe(`inputs/default/${id}.jpg`)).toEqual({ bytes: selfie.length });
});

test('it is checked there, by its beginning or, where that says too little, as a whole', async () => {
  const webp = await noisy(900, 600).webp({ lossless: true }).toBuffer();
  expect(webp.length).toBeGreaterThan(256 * 1024);
  expect((await bench.post({ prompt: 'p', input_reference: await upload(webp) })).status).toBe(202);
  for (const bytes of [flatPng(16_000), Buffer.from('GIF89a<script>')]) {
    const refused = await bench.post({ prompt: 'p', input_reference: await upload(bytes) });
    expect([refused.status, (await refused.json()).code]).toEqual([422, 'invalid_image']);
  }
});

test('what was promised and never sent is not found', async () => {
  const created = await fetch(`${bench.url}/v1/uploads`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content_type: 'image/jpeg', bytes: 9 }),
  });
  const { id } = await created.json();
  const response = await bench.post({ prompt: 'p', input_reference: id });
  expect([response.status, (await response.json()).code]).toEqual([422, 'upload_not_found']);
});

test('a video is served by the bucket, in whole and in part, under its name', async () => {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  await beginAttempt(bench, id, 'token');
  await completeJob({ ...bench, store }, id, 'a video');

  const whole = await bench.get(`/v1/videos/${id}/content`);
  expect([whole.redirected, whole.status, await whole.text()]).toEqual([true, 200, 'a video']);
  expect(whole.headers.get('content-disposition')).toContain(`filename="${id}.mp4"`);
  const part = await bench.get(`/v1/videos/${id}/content`, { range: 'bytes=2-3' });
  expect([part.status, await part.text()]).toEqual([206, 'vi']);
});
