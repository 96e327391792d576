import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import sharp from 'sharp';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

const apiKey = 'k'.repeat(40);
const authorization = { authorization: `Bearer ${apiKey}` };

let now: number;
let write: ObjectStore['write'] | undefined;
let links: ObjectStore['links'];
let bench: ApiBench;
let jpeg: Buffer;
beforeAll(async () => {
  bench = await openApiBench({
    apiKey,
    clock: () => now,
    storeOf: (store) =>
      new Proxy(store, {
        get(target, name, receiver): unknown {
          if (name === 'links') return links;
          return name === 'write' && write !== undefined ? write : Reflect.get(target, name, receiver);
        },
      }),
  });
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  jpeg = await sharp({ create: { width: 640, height: 480, channels: 3, background: 'teal', noise } })
    .jpeg({ quality: 100 })
    .toBuffer();
});
afterAll(() => bench.close());
beforeEach(() => {
  now = Date.now();
  write = undefined;
  links = undefined;
});

interface Upload {
  readonly id: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly expires_at: number;
}

const post = (body: unknown, headers: Record<string, string> = authorization) =>
  fetch(`${bench.url}/v1/uploads`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function newUpload(bytes = jpeg.length, type = 'image/jpeg'): Promise<Upload> {
  const response = await post({ content_type: type, bytes });
  expect(response.status).toBe(201);
  return await response.json();
}

const put = ({ url, headers }: Upload, body: Uint8Array = jpeg, more: Record<string, string> = {}) =>
  fetch(url, { method: 'PUT', headers: { ...headers, ...more }, body: Uint8Array.from(body) });

async function uploaded(body: Uint8Array = jpeg, type?: string): Promise<Upload> {
  const upload = await newUpload(body.length, type);
  expect((await put(upload, body)).status).toBe(200);
  return upload;
}

const create = (reference: unknown, headers = {}) =>
  fetch(`${bench.url}/v1/videos`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization, ...headers },
    body: JSON.stringify({ prompt: 'a fox', input_reference: reference }),
  });

/** Everything that may be left behind. */
const traces = async () => [await bench.count('jobs'), ...(await bench.objects())];

const codeOf = async (response: Response) => [response.status, (await response.json()).code];

test('a place is promised, filled without the key, and named in a request', async () => {
  const upload = await newUpload();
  expect(upload).toEqual({
    id: expect.stringMatching(/^upload_[0-9a-f-]{36}$/),
    object: 'upload',
    method: 'PUT',
    url: expect.stringMatching(
      new RegExp(`^${bench.url}/v1/uploads/${upload.id}\\?expires=\\d+&signature=[\\w-]{43}$`),
    ),
    headers: { 'content-type': 'image/jpeg' },
    expires_at: Math.floor(now / 1_000) + 900,
  });
  const answer = await put(upload);
  const { kept_until: keptUntil, ...rest } = await answer.json();
  expect([answer.status, rest]).toEqual([
    200,
    { id: upload.id, object: 'upload', bytes: jpeg.length, content_type: 'image/jpeg' },
  ]);
  expect(Math.abs(keptUntil - now / 1_000 - 86_400)).toBeLessThan(30);

  for (const reference of [upload.id, { file_id: upload.id }]) {
    const response = await create(reference);
    expect(response.status).toBe(202);
    const { id } = await response.json();
    const { rows } = await bench.database.pool.query(
      'SELECT input_image, input_prepared, input_url FROM jobs WHERE id = $1',
      [id],
    );
    expect(rows).toEqual([{ input_image: `inputs/default/${id}.jpg`, input_prepared: false, input_url: null }]);
    expect(await bench.store.describe(`inputs/default/${id}.jpg`)).toEqual({ bytes: jpeg.length });
  }
});

test('a form may name an upload, too', async () => {
  const { id } = await uploaded();
  for (const name of ['input_reference', 'input_reference[file_id]']) {
    const body = new FormData();
    body.append('prompt', 'a fox');
    body.append(name, id);
    const response = await fetch(`${bench.url}/v1/videos`, { method: 'POST', headers: authorization, body });
    expect(response.status).toBe(202);
  }
});

test('the picture of a job outlives the upload, and its type is what its bytes say', async () => {
  const png = await sharp(jpeg).png().toBuffer();
  const upload = await uploaded(png, 'image/jpeg');
  const { id } = await (await create(upload.id)).json();
  await bench.store.remove(`uploads/default/${upload.id}.jpg`);
  expect(await bench.store.describe(`inputs/default/${id}.png`)).toEqual({ bytes: png.length });
});

test('a page of any origin may send to the URL it was given, and read the answer', async () => {
  const upload = await newUpload();
  const origin = { origin: 'https://selfies.example' };
  const asking = {
    ...origin,
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'content-type',
  };
  // A browser asks without the signature's consequences: nothing is looked up.
  const asked = await fetch(upload.url, { method: 'OPTIONS', headers: asking });
  expect([asked.status, await asked.text()]).toEqual([204, '']);
  expect(Object.fromEntries(asked.headers)).toMatchObject({
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'PUT',
    'access-control-allow-headers': 'content-type',
  });
  const refused = await put({ ...upload, url: `${upload.url}x` }, jpeg, origin);
  const taken = await put(upload, jpeg, origin);
  expect([refused.status, taken.status]).toEqual([403, 200]);
  for (const { headers } of [refused, taken]) expect(headers.get('access-control-allow-origin')).toBe('*');
  // The key's own calls stay out of their reach.
  const { headers } = await fetch(`${bench.url}/v1/uploads`, { method: 'OPTIONS', headers: asking });
  expect(headers.get('access-control-allow-origin')).toBeNull();
});

test('sending it again replaces it, whole', async () => {
  const upload = await newUpload(4);
  expect((await put(upload, Buffer.from('one.'))).status).toBe(200);
  expect((await put(upload, Buffer.from('two.'))).status).toBe(200);
  const kept = await bench.store.open(`uploads/default/${upload.id}.jpg`);
  expect(Buffer.concat((await kept?.body.toArray()) ?? []).toString()).toBe('two.');
});

test.each<{ what: string; body: unknown; expected: readonly [number, string?] }>([
  { what: 'nothing', body: '', expected: [400] },
  { what: 'no object', body: '[]', expected: [400, ''] },
  { what: 'no type', body: { bytes: 1 }, expected: [400, '/content_type'] },
  { what: 'a GIF', body: { content_type: 'image/gif', bytes: 1 }, expected: [400, '/content_type'] },
  {
    what: 'a type with more to it',
    body: { content_type: 'image/png; x=y', bytes: 1 },
    expected: [400, '/content_type'],
  },
  { what: 'no size', body: { content_type: 'image/png' }, expected: [400, '/bytes'] },
  { what: 'no bytes', body: { content_type: 'image/png', bytes: 0 }, expected: [400, '/bytes'] },
  { what: 'a part of a byte', body: { content_type: 'image/png', bytes: 1.5 }, expected: [400, '/bytes'] },
  { what: 'a size as text', body: { content_type: 'image/png', bytes: '1' }, expected: [400, '/bytes'] },
  {
    what: 'too many bytes',
    body: { content_type: 'image/png', bytes: 10 * 1024 * 1024 + 1 },
    expected: [400, '/bytes'],
  },
  { what: 'a key of its own', body: { content_type: 'image/png', bytes: 1, key: '../x' }, expected: [400, '/key'] },
  { what: 'a prototype', body: '{"content_type":"image/png","bytes":1,"__proto__":{}}', expected: [400, '/__proto__'] },
  { what: 'a long body', body: { content_type: 'image/png', bytes: 1, x: 'x'.repeat(70_000) }, expected: [413] },
])('no place is promised for $what', async ({ body, expected: [status, pointer] }) => {
  const before = await bench.count('uploads');
  const response = await post(body);
  const problem = await response.json();
  expect([response.status, problem.errors?.[0]?.pointer]).toEqual([status, pointer]);
  expect(await bench.count('uploads')).toBe(before);
});

test('a place is promised to whoever has the key, and only in JSON', async () => {
  expect((await post({ content_type: 'image/png', bytes: 1 }, {})).status).toBe(401);
  const form = await fetch(`${bench.url}/v1/uploads`, { method: 'POST', headers: authorization, body: new FormData() });
  expect(form.status).toBe(415);
  expect((await fetch(`${bench.url}/v1/uploads`, { headers: authorization })).headers.get('allow')).toBe('POST');
  expect((await fetch(`${bench.url}/v1/uploads/x`)).headers.get('allow')).toBe('PUT, OPTIONS');
});

const changed = (url: string, change: (parameters: URLSearchParams) => void): string => {
  const parsed = new URL(url);
  change(parsed.searchParams);
  return parsed.href;
};
const flipped = (signature: string, at: number): string =>
  signature.slice(0, at) + (signature[at] === 'A' ? 'B' : 'A') + signature.slice(at + 1);

test.each<[string, (upload: Upload, other: Upload) => string]>([
  ['no signature', ({ url }) => changed(url, (query) => query.delete('signature'))],
  ['two', ({ url }) => `${url}&signature=${'A'.repeat(43)}`],
  ['an empty one', ({ url }) => changed(url, (query) => query.set('signature', ''))],
  ['one of another form', ({ url }) => changed(url, (query) => query.set('signature', '%00'.repeat(20)))],
  [
    'one that was changed in its first letter',
    ({ url }) => changed(url, (query) => query.set('signature', flipped(query.get('signature') ?? '', 0))),
  ],
  [
    'one that was changed in its last letter',
    ({ url }) => changed(url, (query) => query.set('signature', flipped(query.get('signature') ?? '', 42))),
  ],
  [
    'that of another upload',
    ({ url }, other) =>
      changed(url, (query) => query.set('signature', new URL(other.url).searchParams.get('signature') ?? '')),
  ],
  ['more time', ({ url, expires_at: at }) => changed(url, (query) => query.set('expires', String(at + 1)))],
  ['time without end', ({ url }) => changed(url, (query) => query.set('expires', 'Infinity'))],
  ['no time', ({ url }) => changed(url, (query) => query.delete('expires'))],
  ['another upload', ({ url, id }, other) => url.replace(id, other.id)],
  ['no upload that there is', ({ url, id }) => url.replace(id, `upload_${uuidv7()}`)],
  ['no upload at all', ({ url, id }) => url.replace(id, '..%2f..%2fetc%2fpasswd')],
])('a URL with %s is refused, and nothing is kept', async (_what, forge) => {
  const upload = await newUpload();
  const url = forge(upload, await newUpload());
  const before = await traces();
  expect(await codeOf(await put({ ...upload, url }))).toEqual([403, 'upload_refused']);
  // The API key opens no place that was promised to somebody.
  expect((await put({ ...upload, url }, jpeg, authorization)).status).toBe(403);
  expect(await traces()).toEqual(before);
});

test('a URL is good for a quarter of an hour, by our clock', async () => {
  const upload = await newUpload();
  now = upload.expires_at * 1_000 - 1;
  expect((await put(upload)).status).toBe(200);
  now += 1;
  expect(await codeOf(await put(upload))).toEqual([403, 'upload_refused']);
});

test('a URL is good on every process, and its secret is read once', async () => {
  const upload = await newUpload();
  let reads = 0;
  const { pool } = bench.database;
  const other = await openApiBench({
    apiKey,
    pool: new Proxy(pool, {
      get: (target, property) => {
        if (property !== 'query') return Reflect.get(target, property);
        return (query: unknown, ...rest: unknown[]) => {
          if (typeof query === 'string' && query.includes('signing_keys')) reads += 1;
          return Reflect.apply(Reflect.get(target, 'query'), target, [query, ...rest]);
        };
      },
    }),
  });
  try {
    const url = upload.url.replace(bench.url, other.url);
    for (let tries = 0; tries < 3; tries += 1) expect((await put({ ...upload, url })).status).toBe(200);
    expect(reads).toBe(1);
  } finally {
    await other.close();
  }
});

test.each<{ what: string; drop?: number; add?: number; headers?: Record<string, string>; expected: [number, string] }>([
  { what: 'another type', headers: { 'content-type': 'image/png' }, expected: [415, 'unsupported_media_type'] },
  { what: 'more type', headers: { 'content-type': 'image/jpeg; q=1' }, expected: [415, 'unsupported_media_type'] },
  { what: 'an encoding', headers: { 'content-encoding': 'gzip' }, expected: [415, 'unsupported_media_type'] },
  { what: 'a byte too few', drop: 1, expected: [400, 'invalid_request'] },
  { what: 'a byte too many', add: 1, expected: [413, 'body_too_large'] },
  { what: 'nothing', drop: Number.POSITIVE_INFINITY, expected: [400, 'invalid_request'] },
])('what was not promised is refused: $what', async ({ drop = 0, add = 0, headers, expected }) => {
  const upload = await newUpload();
  const before = await traces();
  const body = Buffer.concat([jpeg.subarray(0, Math.max(jpeg.length - drop, 0)), Buffer.alloc(add)]);
  expect(await codeOf(await put(upload, body, headers))).toEqual(expected);
  expect(await traces()).toEqual(before);
  // The place is still there for what was.
  expect((await put(upload)).status).toBe(200);
});

test('a body that does not say its length is refused', async () => {
  const upload = await newUpload();
  const status = await new Promise((resolve, reject) => {
    const headers = { ...upload.headers, 'transfer-encoding': 'chunked' };
    const request = httpRequest(upload.url, { method: 'PUT', headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject).end(jpeg);
  });
  expect(status).toBe(411);
});

test('a body that breaks off leaves nothing, and harms nobody', async () => {
  const upload = await newUpload();
  const before = await traces();
  let began: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (began = resolve));
  let failure: unknown;
  write = async (key, object) => {
    async function* watched() {
      for await (const chunk of object.body instanceof Uint8Array ? [object.body] : object.body) {
        began();
        yield chunk;
      }
    }
    await bench.store.write(key, { ...object, body: watched() }).catch((error: unknown) => {
      failure = error;
      throw error;
    });
  };
  const { hostname, port, pathname, search } = new URL(upload.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `PUT ${pathname}${search} HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: ${jpeg.length}\r\n\r\nhalf`,
  );
  await begun;
  socket.destroy();
  await expect.poll(() => failure).toMatchObject({ message: 'aborted' });
  expect(await traces()).toEqual(before);
  write = undefined;
  expect((await put(upload)).status).toBe(200);
});

test('a body that takes too long is cut off with an answer, and leaves nothing', async () => {
  const upload = await newUpload();
  const before = await traces();
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
  let answer = '';
  const { hostname, port, pathname, search } = new URL(upload.url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(
    `PUT ${pathname}${search} HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: ${jpeg.length}\r\n\r\nhalf`,
  );
  try {
    await expect.poll(() => timeout.mock.calls).toEqual([[55_000]]);
    late.abort(new DOMException('late', 'TimeoutError'));
    await closed;
    expect(answer).toMatch(/^HTTP\/1.1 408 [^]*"request_timed_out"/);
    expect(await traces()).toEqual(before);
  } finally {
    timeout.mockRestore();
  }
});

test('a store that fails is a 503, and the answer arrives although the body was not read', async () => {
  const upload = await newUpload();
  write = () => Promise.reject(new Error('no space left on device'));
  expect(await codeOf(await put(upload))).toEqual([503, 'storage_unavailable']);
  write = async (_key, { body }) => {
    for await (const chunk of body instanceof Uint8Array ? [body] : body) throw new Error(`EIO ${chunk.length}`);
  };
  expect(await codeOf(await put(upload))).toEqual([503, 'storage_unavailable']);
});

test('two at once are one of them, whole', async () => {
  const upload = await newUpload(100_000);
  const bodies = ['a', 'b', 'c', 'd'].map((letter) => Buffer.alloc(100_000, letter));
  const answers = await Promise.all(bodies.map((body) => put(upload, body)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const kept = await bench.store.open(`uploads/default/${upload.id}.jpg`);
  const bytes = Buffer.concat((await kept?.body.toArray()) ?? []);
  expect(bodies.some((body) => body.equals(bytes))).toBe(true);
});

test.each<[string, () => Promise<unknown>]>([
  ['there is none', async () => `upload_${uuidv7()}`],
  ['it is no id', async () => 'upload_1'],
  ['it is a path', async () => ({ file_id: '../../etc/passwd' })],
  ['nothing was sent yet', async () => (await newUpload()).id],
  [
    'its time is over',
    async () => {
      const { id } = await uploaded();
      await bench.database.pool.query("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE id = $1", [id]);
      return id;
    },
  ],
  [
    'it is of another tenant',
    async () => {
      const { id } = await uploaded();
      await bench.database.pool.query("UPDATE uploads SET tenant = 'other' WHERE id = $1", [id]);
      return id;
    },
  ],
])('an upload is not found where %s', async (_why, referenceOf) => {
  const reference = await referenceOf();
  const before = await traces();
  const response = await create(reference);
  const problem = await response.json();
  expect([response.status, problem.code]).toEqual([422, 'upload_not_found']);
  expect(problem.errors[0].pointer).toMatch(/^\/input_reference/);
  expect(await traces()).toEqual(before);
});

test('what was uploaded is checked like any other picture', async () => {
  const html = Buffer.from('GIF89a<script>alert(1)</script>');
  const { id } = await uploaded(html);
  const before = await traces();
  expect(await codeOf(await create(id))).toEqual([422, 'invalid_image']);
  expect(await traces()).toEqual(before);
});

test('a large picture whose header is far behind is read to it', async () => {
  const exif = await sharp(jpeg).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
  // Cameras put whole depth maps into segments before the picture itself.
  const segment = Buffer.concat([Buffer.from([0xff, 0xef, 0xff, 0xff]), Buffer.alloc(0xfffd)]);
  const far = Buffer.concat([exif.subarray(0, 2), ...Array.from({ length: 6 }, () => segment), exif.subarray(2)]);
  const webp = await sharp(jpeg).webp({ lossless: true }).toBuffer();
  expect(webp.length).toBeGreaterThan(256 * 1024);
  for (const picture of [far, webp]) expect((await create((await uploaded(picture)).id)).status).toBe(202);
});

test('a key that named an upload is answered again after its time, and with another upload it is another request', async () => {
  const headers = { 'idempotency-key': uuidv7() };
  const [upload, other] = [await uploaded(), await uploaded()];
  const first = await create(upload.id, headers);
  expect(await codeOf(await create(other.id, headers))).toEqual([422, 'idempotency_key_reused']);
  await bench.database.pool.query('DELETE FROM uploads WHERE id = $1', [upload.id]);
  const again = await create({ file_id: upload.id }, headers);
  expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
  expect(await again.text()).toBe(await first.text());
});

test('a store with links of its own takes the bytes: we only say where', async () => {
  const asked: unknown[] = [];
  const link = { url: 'https://bucket.example/signed', headers: { 'content-type': 'image/png', 'x-amz-a': 'b' } };
  links = {
    upload: async (key, given) => {
      asked.push([key, given]);
      return link;
    },
    download: () => Promise.reject(new Error('nobody downloads')),
  };
  const upload = await newUpload(7, 'image/png');
  expect(upload).toMatchObject({ method: 'PUT', ...link, expires_at: Math.floor(now / 1_000) + 900 });
  expect(asked).toEqual([[`uploads/default/${upload.id}.png`, { secondsValid: 900, bytes: 7 }]]);
});

test('a URL is of the address that was configured, or else of the one that was called', async () => {
  const configured = await openApiBench({ publicUrl: 'https://videos.example.com' });
  try {
    const body = JSON.stringify({ content_type: 'image/png', bytes: 1 });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${configured.url}/v1/uploads`, { method: 'POST', headers, body });
    expect((await response.json()).url).toMatch(/^https:\/\/videos\.example\.com\/v1\/uploads\/upload_/);
  } finally {
    await configured.close();
  }
});

test('two hundred at once are two hundred, in batches', async () => {
  const before = await bench.count('uploads');
  const uploads = await Promise.all(Array.from({ length: 200 }, () => newUpload()));
  expect(new Set(uploads.map(({ id }) => id)).size).toBe(200);
  expect(await bench.count('uploads')).toBe(before + 200);
});
