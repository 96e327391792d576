import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3ObjectStore, type S3Settings } from '../../src/storage/s3-object-store.ts';
import { until } from '../support/until.ts';

/** What a service does that is out of order, and what a network does. How a good one works: the integration test. */
let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let requests: string[];
beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const key = 'assets/default/video_1/1.mp4';
const big = Buffer.alloc(9_000_000);

function storeWith(overrides: Partial<S3Settings> = {}): ObjectStore {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return createS3ObjectStore({
    bucket: 'bucket',
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${address.port}`,
    publicEndpoint: undefined,
    prefix: '',
    pathStyle: true,
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    timeouts: { connectMs: 1_000, idleMs: 200, answerMs: 5_000 },
    ...overrides,
  });
}

const problem = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`;
const begun = '<?xml version="1.0"?><R><Bucket>bucket</Bucket><Key>k</Key><UploadId>upload-1</UploadId></R>';

/** A service on which parts can be uploaded. `onPart` and `onComplete` are what it gets wrong. */
function takesParts(wrong: { onPart?: typeof answer; onComplete?: typeof answer; onAbandon?: typeof answer }) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url = '' } = request;
    if (url.includes('uploads')) response.end(begun);
    else if (method === 'PUT')
      (wrong.onPart ?? ((_, response) => response.writeHead(200, { etag: '"1"' }).end()))(request, response);
    else if (method === 'POST') (wrong.onComplete ?? ((_, response) => response.end('<R/>')))(request, response);
    else (wrong.onAbandon ?? ((_, response) => response.writeHead(204).end()))(request, response);
  };
}
const abandoned = () => requests.filter((request) => request.startsWith('DELETE') && request.includes('upload-1'));

describe('waits', () => {
  test('a service that is silent is given up after three tries', async () => {
    answer = () => undefined;
    await expect(storeWith().describe(key)).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(requests).toHaveLength(3);
  });

  test('so is one that keeps its connection alive and never answers', async () => {
    answer = (_request, response) => {
      const timer = setInterval(() => response.writeProcessing(), 20);
      response.on('close', () => clearInterval(timer));
    };
    const timeouts = { connectMs: 1_000, idleMs: 10_000, answerMs: 100 };
    await expect(storeWith({ timeouts }).describe(key)).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(requests).toHaveLength(3);
  });

  test('a body that stops halfway fails for its reader', async () => {
    answer = (_request, response) => void response.writeHead(200, { 'content-length': '10' }).write('12345');
    const object = await storeWith().open(key);
    await expect(object && buffer(object.body)).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('an abort cuts a part off that nobody takes', async () => {
    answer = takesParts({ onPart: () => undefined });
    const controller = new AbortController();
    const timeouts = { connectMs: 60_000, idleMs: 60_000, answerMs: 60_000 };
    const write = storeWith({ timeouts }).write(key, { body: big, signal: controller.signal });
    const outcome = write.catch((error: unknown) => error);
    await until('the part is on its way', () => requests.some((request) => request.includes('partNumber=1')));
    const reason = new Error('the worker is shutting down');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    expect(abandoned()).toHaveLength(1);
  });

  test('an abort cuts a whole object off that nobody takes', async () => {
    answer = () => undefined;
    const controller = new AbortController();
    const timeouts = { connectMs: 60_000, idleMs: 60_000, answerMs: 60_000 };
    const write = storeWith({ timeouts }).write(key, { body: Buffer.from('x'), signal: controller.signal });
    const outcome = write.catch((error: unknown) => error);
    await until('it is on its way', () => requests.length > 0);
    const reason = new Error('the worker is shutting down');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    expect(requests).toHaveLength(1);
  });
});

describe('answers', () => {
  test.each([
    [403, 'AccessDenied'],
    [404, 'NoSuchBucket'],
  ])('%i %s is thrown as it is, at once, by every call', async (status, code) => {
    answer = (_request, response) => response.writeHead(status).end(problem(code));
    const store = storeWith();
    const calls = [
      () => store.open(key),
      () => store.write(key, { body: Buffer.from('x') }),
      () => store.copy(key, 'inputs/1.png'),
      () => store.remove(key),
    ];
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({ name: code, $metadata: { httpStatusCode: status } });
    expect(requests).toHaveLength(calls.length);
  });

  test('500 is thrown after three tries', async () => {
    answer = (_request, response) => response.writeHead(500).end(problem('InternalError'));
    await expect(storeWith().open(key)).rejects.toMatchObject({ name: 'InternalError' });
    expect(requests).toHaveLength(3);
  });

  test('403 to a look is thrown, and is no missing object', async () => {
    answer = (_request, response) => response.writeHead(403).end();
    await expect(storeWith().describe(key)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
  });

  test('a service that is overloaded for a moment is asked again', async () => {
    answer = (_request, response) => {
      if (requests.length < 3) response.writeHead(503).end(problem('SlowDown'));
      else response.writeHead(200, { 'content-length': '7' }).end();
    };
    expect(await storeWith().describe(key)).toEqual({ bytes: 7 });
  });

  test('nobody there is the error of the system', async () => {
    const store = storeWith({ endpoint: 'http://127.0.0.1:9' });
    await expect(store.describe(key)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a connection that is cut fails the reader, who is not told that this was all', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345');
      setImmediate(() => response.destroy());
    };
    const object = await storeWith().open(key);
    await expect(object && buffer(object.body)).rejects.toThrow('aborted');
  });
});

describe('an upload in parts that fails', () => {
  const failing = (code: string) => (_request: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(400).end(problem(code));

  test('at a part is abandoned', async () => {
    answer = takesParts({ onPart: failing('InvalidPart') });
    await expect(storeWith().write(key, { body: big })).rejects.toMatchObject({ name: 'InvalidPart' });
    expect(abandoned()).toHaveLength(1);
  });

  test('at its end is abandoned, also when the failure comes as a success', async () => {
    answer = takesParts({ onComplete: (_request, response) => response.end(problem('InternalError')) });
    await expect(storeWith().write(key, { body: big })).rejects.toMatchObject({ name: 'InternalError' });
    expect(abandoned()).toHaveLength(1);
  });

  test('tells why, though it could not be abandoned either', async () => {
    answer = takesParts({ onPart: failing('InvalidPart'), onAbandon: failing('NoSuchUpload') });
    await expect(storeWith().write(key, { body: big })).rejects.toMatchObject({ name: 'InvalidPart' });
  });

  test('at its beginning has nothing to abandon', async () => {
    answer = failing('AccessDenied');
    await expect(storeWith().write(key, { body: big })).rejects.toMatchObject({ name: 'AccessDenied' });
    expect(abandoned()).toEqual([]);
  });

  test('goes on where a single try of a part failed', async () => {
    let tries = 0;
    answer = takesParts({
      onPart: (_request, response) => {
        tries += 1;
        if (tries === 1) response.destroy();
        else response.writeHead(200, { etag: '"1"' }).end();
      },
    });
    await storeWith().write(key, { body: big });
    expect([tries, abandoned()]).toEqual([3, []]);
  });
});

describe('services other than AWS', () => {
  test('see the SHA-256 of every body in its signature, and none of the headers that they do not know', async () => {
    const sent: IncomingMessage[] = [];
    const good = takesParts({});
    answer = (request, response) => {
      sent.push(request);
      good(request, response);
    };
    const [small, store] = [Buffer.from('small'), storeWith()];
    await store.write(key, { body: small });
    await store.write(key, { body: big });
    const digests = sent.map((request) => request.headers['x-amz-content-sha256']);
    expect(digests).toContain(sha256(small));
    expect(digests).toContain(sha256(big.subarray(0, 8 * 1024 * 1024)));
    const names = new Set(sent.flatMap((request) => Object.keys(request.headers)));
    expect([...names].filter((name) => /checksum|expect|trailer|content-encoding/.test(name))).toEqual([]);
  });

  test('get no checksum in a link, which would be that of an empty body', async () => {
    const link = await storeWith().links?.upload(key, { secondsValid: 60, bytes: 10 });
    const { searchParams } = new URL(link?.url ?? '');
    expect(searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host');
    expect([...searchParams.keys()].filter((name) => name.includes('checksum'))).toEqual([]);
  });
});

test('a link is made without asking anybody', async () => {
  answer = () => undefined;
  const link = await storeWith({ publicEndpoint: 'https://objects.example' }).links?.download(key, {
    secondsValid: 60,
    filename: 'a.mp4',
  });
  expect(new URL(link ?? '').origin).toBe('https://objects.example');
  expect(requests).toEqual([]);
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
