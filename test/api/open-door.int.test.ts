import { v7 as uuidv7 } from 'uuid';
import { afterEach, expect, test } from 'vitest';
import { type ApiBench, openApiBench } from './api-bench.ts';
import { makeTenant } from './make-tenant.ts';

let bench: ApiBench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

const path = `/v1/videos/video_${uuidv7()}`;

test('without a static key this machine may call, with any key that a client insists on', async () => {
  bench = await openApiBench();
  expect((await bench.get(path)).status).toBe(404);
  expect((await bench.get(path, { authorization: 'Bearer sk-anything' })).status).toBe(404);
  expect((await bench.get(path, { authorization: 'Basic dXNlcjpwYXNz' })).status).toBe(404);
});

test('and a tenant’s key speaks for its tenant there too, but one that opens nothing is told', async () => {
  bench = await openApiBench();
  const acme = await makeTenant(bench, 'acme');
  const ours = await (await bench.post({ prompt: 'a fox' })).json();
  const theirs = await (await bench.post({ prompt: 'a fox' }, acme.headers)).json();
  const statuses = [
    await bench.get(`/v1/videos/${ours.id}`),
    await bench.get(`/v1/videos/${theirs.id}`),
    await bench.get(`/v1/videos/${ours.id}`, acme.headers),
    await bench.get(`/v1/videos/${theirs.id}`, acme.headers),
    await bench.get(path, { authorization: `Bearer ${acme.text.slice(1)}` }),
    await bench.get(path, { authorization: `Bearer ${acme.text.slice(0, -1)}` }),
  ].map(({ status }) => status);
  expect(statuses).toEqual([200, 404, 404, 200, 404, 401]);
});

test('where keys are required nobody calls without one, from this machine neither', async () => {
  bench = await openApiBench({ requireKeys: true });
  const acme = await makeTenant(bench, 'acme');
  expect((await bench.get(path)).status).toBe(401);
  expect((await bench.get(path, { authorization: 'Bearer sk-anything' })).status).toBe(401);
  expect((await bench.get(path, acme.headers)).status).toBe(404);
});
