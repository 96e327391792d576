import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

let bench: ApiBench;
let simulated: ApiBench;
beforeAll(async () => {
  bench = await openApiBench({ apiKey: 'a-key-that-is-asked-for' });
  simulated = await openApiBench({ servedBySimulator: true });
});
afterAll(async () => {
  await bench.close();
  await simulated.close();
});

const strict =
  "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data: blob:;media-src 'self' blob:;" +
  "connect-src 'self';form-action 'none';frame-ancestors 'none';base-uri 'none'";

async function policyOf(response: Response): Promise<string> {
  await response.text();
  return response.headers.get('content-security-policy') ?? '';
}

test('the page is there without a key, with a policy that lets nothing in, and is asked for again by its tag', async () => {
  const response = await bench.get('/');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  expect(await policyOf(response)).toBe(strict);
  // By itself Node asks for an answer from the beginning.
  const asked = { 'if-none-match': response.headers.get('etag') ?? '', 'cache-control': 'max-age=0' };
  const again = await bench.get('/', asked);
  expect(again.status).toBe(304);
});

test('nothing in it is inline or from elsewhere, and all that it names is there', async () => {
  const page = await (await bench.get('/')).text();
  expect(page).not.toMatch(/<script>|<style|style=|\son\w+=|https?:|\{\{/);
  const named = [...page.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)].map(([, path = '']) => path);
  const modules = (await readdir('page/static')).map((name) => `/page/${name}`);
  expect(modules).toEqual(expect.arrayContaining(named));
  for (const path of modules) {
    const response = await bench.get(path);
    const text = await response.text();
    expect([path, response.status]).toEqual([path, 200]);
    expect(response.headers.get('content-type')).toMatch(/^(text\/javascript|text\/css|image\/svg\+xml)/);
    for (const [, imported = ''] of text.matchAll(/from '\.\/([^']+)'/g))
      expect(modules).toContain(`/page/${imported}`);
  }
});

test('nothing else of the machine is to be had under its path', async () => {
  for (const path of [
    'index.html',
    '..%2findex.html',
    '%2e%2e%2fpackage.json',
    'tsconfig.json',
    'selfie.jpg',
    'constructor',
  ])
    expect([path, (await bench.get(`/page/${path}`)).status]).toEqual([path, 404]);
  expect((await fetch(`${bench.url}/`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${bench.url}/page/page.js`, { method: 'PUT' })).status).toBe(405);
});

test('only where the vendors are played it says so, and has a selfie to begin with', async () => {
  expect(await (await bench.get('/')).text()).toContain('name="spillway-simulated" content="false"');
  expect(await (await simulated.get('/')).text()).toContain('name="spillway-simulated" content="true"');
  expect((await simulated.get('/page/selfie.jpg')).headers.get('content-type')).toBe('image/jpeg');
});

test('videos may be played from the bucket that they lie in, and from nowhere else', async () => {
  let isAway = true;
  const links: ObjectStore['links'] = {
    async download(key) {
      if (isAway) throw new Error('no credentials yet');
      return `https://bucket.example:9000/${key}?signature=1`;
    },
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
  };
  const withBucket = await openApiBench({ storeOf: (store) => ({ ...store, links }) });
  try {
    // The page comes all the same, and finds the bucket once it can be asked for.
    expect(await policyOf(await withBucket.get('/'))).toBe(strict);
    isAway = false;
    const policy = await policyOf(await withBucket.get('/'));
    expect(policy).toContain("media-src 'self' blob: https://bucket.example:9000;");
    expect(policy).toContain("connect-src 'self';");
  } finally {
    await withBucket.close();
  }
});
