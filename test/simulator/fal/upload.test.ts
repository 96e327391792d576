import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startFal } from './setup.ts';

const uploadSchema = z.object({ upload_url: z.url(), file_url: z.url() });

describe('an upload', () => {
  const wish = { content_type: 'image/png', file_name: 'a-cat.png' };

  test('goes to the place that was asked for, without the key, and can be fetched again', async () => {
    const { ask } = await startFal();
    const response = await ask('POST', '/rest/storage/upload/initiate?storage_type=fal-cdn-v3', { body: wish });
    const { upload_url, file_url } = uploadSchema.parse(await response.json());
    expect((await fetch(file_url)).status).toBe(404);
    const put = await fetch(upload_url, { method: 'PUT', headers: { 'content-type': 'image/png' }, body: 'pixels' });
    expect(put.status).toBe(200);
    const file = await fetch(file_url);
    expect([file.headers.get('content-type'), await file.text()]).toEqual(['image/png', 'pixels']);
  });

  test.each([
    ['another type', (url: string) => url, 'text/html'],
    ['another file', (url: string) => url.replace('a-cat', 'b-cat'), 'image/png'],
    ['no signature', (url: string) => url.replace(/\?.*/, ''), 'image/png'],
  ])('of %s is refused', async (_name, change, type) => {
    const { ask } = await startFal();
    const response = await ask('POST', '/rest/storage/upload/initiate', { body: wish });
    const { upload_url } = uploadSchema.parse(await response.json());
    const put = await fetch(change(upload_url), { method: 'PUT', headers: { 'content-type': type }, body: 'pixels' });
    expect(put.status).toBe(403);
  });

  test.each([{}, { ...wish, file_name: '../etc/passwd' }, { file_name: 'a.png' }])('%j gets no place', async (body) => {
    const { ask } = await startFal();
    expect((await ask('POST', '/rest/storage/upload/initiate', { body })).status).toBe(422);
  });
});
