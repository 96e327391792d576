import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createStoreAsset, type StoreDeps } from '../../src/activities/store-asset.ts';
import { listEvents } from '../../src/db/jobs/read-jobs.ts';
import { settleJob } from '../../src/db/ledger/settle.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { StoreAnswer } from '../../src/domain/story.ts';
import { vendorUrlPolicy } from '../../src/providers/hostile-url.ts';
import { type Progress, ProviderUnreachableError, type VideoProvider } from '../../src/providers/provider.ts';
import { createRemoteFiles } from '../../src/providers/remote-file.ts';
import type { LookupAll } from '../../src/providers/public-lookup.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';
import { assetKey, type ObjectStore } from '../../src/storage/object-store.ts';
import { createLedgerBench, type LedgerBench } from '../db/ledger/ledger-bench.ts';
import { until } from '../support/until.ts';
import { type FileServer, startFileServer, status, videoBytes, whole } from './file-server.ts';

let bench: LedgerBench;
let files: FileServer;
let directory: string;
let store: ObjectStore;
beforeAll(async () => {
  [bench, files] = await Promise.all([createLedgerBench(), startFileServer()]);
  directory = await mkdtemp(join(tmpdir(), 'spillway-assets-'));
  store = createLocalObjectStore(directory);
});
afterAll(async () => {
  await files.close();
  await bench.drop();
  await rm(directory, { recursive: true });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Changes {
  readonly store?: Partial<ObjectStore>;
  /** What the vendor says when it is asked again. Absent: nobody may ask. */
  readonly check?: VideoProvider['check'];
  /** The activity's own try, from 1. */
  readonly tries?: number;
  readonly provider?: string;
  /** How long the door waits for the next bytes. */
  readonly idleMs?: number;
  readonly lookup?: LookupAll;
}

interface Run {
  readonly environment: MockActivityEnvironment;
  readonly answer: Promise<StoreAnswer>;
}

function begin(job: string, changes: Changes = {}): Run {
  const check = changes.check ?? (() => Promise.reject(new Error('nobody is to ask the vendor')));
  const vendor: VideoProvider = {
    name: 'vendor',
    cancelMeans: 'none',
    start: () => Promise.reject(new Error('nothing is to be bought')),
    check,
  };
  const policy = vendorUrlPolicy({ baseUrl: files.origin, plainHttpAllowed: true });
  const name = changes.provider ?? 'vendor';
  const door = createRemoteFiles({
    policy,
    timeouts: { idleMs: changes.idleMs ?? 1_000 },
    ...(changes.lookup && { lookup: changes.lookup }),
  });
  const deps: StoreDeps = {
    db: bench.pool,
    providers: new Map([[name, vendor]]),
    remoteFiles: new Map([[name, door]]),
    store: { ...store, ...changes.store },
    log: pino({ level: 'silent' }),
  };
  const environment = new MockActivityEnvironment(
    { attempt: changes.tries ?? 1 },
    { logger: new DefaultLogger('ERROR') },
  );
  return { environment, answer: environment.run(createStoreAsset(deps), { jobId: job, attempt: 1 }) };
}
const run = async (job: string, changes?: Changes): Promise<StoreAnswer> => await begin(job, changes).answer;

/** How a try has failed that is to be repeated. */
async function failureIn(job: string, changes?: Changes): Promise<unknown> {
  return await run(job, changes).then(
    (answer) => answer,
    (error: unknown) => error,
  );
}

let served = 0;
/** A finished job whose video is at a path of its own. */
async function jobAt(answer: Parameters<FileServer['serve']>[1]): Promise<{ job: string; path: string; url: string }> {
  const path = `/${(served += 1)}.mp4`;
  const url = files.serve(path, answer);
  return { job: await bench.finishJob({ videoUrl: url }), path, url };
}

const keyOf = (jobId: string): string => assetKey({ tenant: 'default', jobId, attempt: 1 });
/** Empty: there is nothing. */
const keptBytes = async (job: string): Promise<Buffer> =>
  await readFile(join(directory, keyOf(job))).catch(() => Buffer.alloc(0));
const assetOf = (job: string) => bench.row<Record<string, unknown>>('SELECT * FROM assets WHERE job = $1', job);
const eventsOf = async (job: string): Promise<readonly object[]> =>
  (await listEvents(bench.pool, { id: job, tenant: 'default' })).filter(({ kind }) => kind.startsWith('asset.'));
const unusable = (vendorCode: string): StoreAnswer => ({
  kind: 'failed',
  failure: failureOf('output_expired', { vendorCode }),
});
const timesAsked = (path: string): number => files.asked.filter((asked) => asked === path).length;

describe('a finished video', () => {
  test('becomes ours: its bytes, and what proves that they are all there', async () => {
    const video = videoBytes(300_000);
    const { job } = await jobAt(whole(video));
    expect(await run(job)).toEqual({ kind: 'stored' });
    expect(video.equals(await keptBytes(job))).toBe(true);
    expect(await assetOf(job)).toMatchObject({
      key: keyOf(job),
      content_type: 'video/mp4',
      bytes: '300000',
      sha256: createHash('sha256').update(video).digest(),
    });
    expect(await eventsOf(job)).toMatchObject([{ kind: 'asset.stored', data: { attempt: 1, bytes: 300_000 } }]);
  });

  test('is not asked for again once it is ours', async () => {
    const { job, path } = await jobAt(whole(videoBytes()));
    expect([await run(job), await run(job)]).toEqual([{ kind: 'stored' }, { kind: 'stored' }]);
    expect(timesAsked(path)).toBe(1);
  });

  test('is one object, whole, when two copy it at once', async () => {
    const video = videoBytes(2_000_000);
    const { job } = await jobAt(whole(video));
    expect(await Promise.all([run(job), run(job)])).toEqual([{ kind: 'stored' }, { kind: 'stored' }]);
    expect(video.equals(await keptBytes(job))).toBe(true);
    expect(await eventsOf(job)).toHaveLength(1);
  });

  test.each<{ what: string; headers: Record<string, string>; head: string; type: string }>([
    {
      what: 'nothing said of it',
      headers: { 'content-type': 'application/octet-stream' },
      head: '',
      type: 'video/mp4',
    },
    { what: 'S3 saying nothing', headers: { 'content-type': 'binary/octet-stream' }, head: '', type: 'video/mp4' },
    { what: 'a type in capitals', headers: { 'content-type': 'VIDEO/MP4; codecs=x' }, head: '', type: 'video/mp4' },
    { what: 'WebM', headers: { 'content-type': 'video/webm' }, head: '\x1aEß£', type: 'video/webm' },
    { what: 'QuickTime', headers: {}, head: '\0\0\0\x14ftypqt  ', type: 'video/quicktime' },
    { what: 'WebM under the name of MP4', headers: {}, head: '\x1aEß£', type: 'video/webm' },
  ])('with $what is taken for what its bytes say', async ({ headers, head, type }) => {
    const video = videoBytes();
    video.write(head, 'latin1');
    const { job } = await jobAt(whole(video, headers));
    expect(await run(job)).toEqual({ kind: 'stored' });
    expect(await assetOf(job)).toMatchObject({ content_type: type });
  });

  test('that comes byte by byte, without a length, is as good as another', async () => {
    const video = videoBytes(64);
    const { job } = await jobAt(async (_, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4' });
      for (const byte of video) await new Promise((resolve) => response.write(Buffer.of(byte), resolve));
      response.end();
    });
    expect(await run(job)).toEqual({ kind: 'stored' });
    expect(video.equals(await keptBytes(job))).toBe(true);
  });

  test('that takes its time is told of by heartbeats with the bytes so far', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const video = videoBytes(1_000);
    let finish: () => void = () => undefined;
    const { job } = await jobAt((_, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': 1_000 }).write(video.subarray(0, 400));
      finish = () => response.end(video.subarray(400));
    });
    const { environment, answer } = begin(job, { idleMs: 30_000 });
    const beats: unknown[] = [];
    environment.on('heartbeat', (bytes) => beats.push(bytes));
    await until('a heartbeat knows of the first bytes', () => {
      vi.advanceTimersByTime(5_000);
      return beats.includes(400);
    });
    finish();
    expect(await answer).toEqual({ kind: 'stored' });
    const before = beats.length;
    vi.advanceTimersByTime(60_000);
    expect(beats).toHaveLength(before);
  });
});

describe('a try that fails is to be repeated, and leaves nothing behind', () => {
  const video = videoBytes(100_000);
  const cutOff = (response: ServerResponse, headers: Record<string, number> = {}): void => {
    response.writeHead(200, { 'content-type': 'video/mp4', ...headers });
    response.write(video.subarray(0, 40_000), () => response.destroy());
  };

  test.each<{ what: string; answer: Parameters<FileServer['serve']>[1] }>([
    { what: 'a body that is cut off', answer: (_, response) => cutOff(response, { 'content-length': 100_000 }) },
    { what: 'a body that is cut off, without a length', answer: (_, response) => cutOff(response) },
    {
      what: 'a body that stops coming',
      answer: (_, response) => {
        response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': 100_000 }).write(video.subarray(0, 9));
      },
    },
    { what: 'an answer that never comes', answer: (request) => request.socket.destroy() },
  ])('$what', async ({ answer }) => {
    const { job, path } = await jobAt(answer);
    expect(await failureIn(job)).toBeInstanceOf(Error);
    expect(await keptBytes(job)).toHaveLength(0);
    expect(await assetOf(job)).toMatchObject({ stored_at: null, failure: null });
    expect(await readdir(join(directory, '.incoming')).catch(() => [])).toEqual([]);
    files.serve(path, whole(video));
    expect(await run(job, { tries: 2 })).toEqual({ kind: 'stored' });
    expect(video.equals(await keptBytes(job))).toBe(true);
  });

  test.each([500, 502, 503, 408, 425, 429])('a server that answers %i', async (code) => {
    const { job } = await jobAt(status(code));
    const failure = await failureIn(job, { tries: 99 });
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ type: 'unreachable', nonRetryable: false, message: `unreachable: http_${code}` });
  });

  test('a store that is away, and the connection to the vendor is not left open', async () => {
    const { job } = await jobAt((_, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4' }).write(video);
    });
    const write = () => Promise.reject(new Error('the bucket is away'));
    expect(await failureIn(job, { store: { write } })).toMatchObject({ message: 'the bucket is away' });
    await until('nobody reads any more', () => files.unread() === 0);
  });

  test('a vendor that this worker does not know', async () => {
    const { job, path } = await jobAt(whole(video));
    expect(await failureIn(job, { provider: 'another' })).toMatchObject({
      message: expect.stringContaining('keep it'),
    });
    expect(timesAsked(path)).toBe(0);
  });

  test('a cancel, in the middle of it', async () => {
    const { job } = await jobAt((_, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': 100_000 }).write(video.subarray(0, 500));
    });
    const { environment, answer } = begin(job);
    await until('it has begun', () => files.unread() > 0);
    environment.cancel('CANCELLED');
    await expect(answer).rejects.toThrow(CancelledFailure);
    expect(await keptBytes(job)).toHaveLength(0);
    await until('nobody reads any more', () => files.unread() === 0);
  });
});

test('a process that is killed in the middle of a copy leaves nothing that anybody sees; the next one begins anew', async () => {
  const video = videoBytes(200_000);
  const { job, path } = await jobAt((_, response) => {
    response
      .writeHead(200, { 'content-type': 'video/mp4', 'content-length': 200_000 })
      .write(video.subarray(0, 150_000));
  });
  const script = fileURLToPath(new URL('copying-process.ts', import.meta.url));
  const args = ['--import', 'tsx', script, bench.url, directory, files.origin, job];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  const bytesWritten = async (): Promise<number> => {
    const parts = await readdir(join(directory, '.incoming'));
    const facts = await Promise.all(parts.map((part) => stat(join(directory, '.incoming', part))));
    return facts.reduce((sum, { size }) => sum + size, 0);
  };
  await until('some of it is written', async () => (await bytesWritten()) > 0);
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
  expect(await keptBytes(job)).toHaveLength(0);
  expect(await assetOf(job)).toMatchObject({ stored_at: null, removed_at: null });

  files.serve(path, whole(video));
  expect(await run(job, { tries: 2 })).toEqual({ kind: 'stored' });
  expect(video.equals(await keptBytes(job))).toBe(true);
});

describe('a video that is not where it was announced', () => {
  const elsewhere = (url: string) => vi.fn<VideoProvider['check']>(async () => ({ kind: 'finished', video: { url } }));

  test.each([400, 401, 403, 404, 410])(
    'answered %i, is asked for at its vendor, and fetched from there',
    async (code) => {
      const { job, url } = await jobAt(status(code));
      const fresh = files.serve(`/fresh-${code}.mp4`, whole(videoBytes()));
      const check = elsewhere(fresh);
      expect(await run(job, { check })).toEqual({ kind: 'stored' });
      expect(check).toHaveBeenCalledExactlyOnceWith({ operation: `op-${job}`, model: 'maker/model' });
      expect(fresh).not.toBe(url);
      expect(await bench.row('SELECT video_url FROM attempts WHERE job = $1', job)).toEqual({ video_url: fresh });
    },
  );

  test('and of which no URL is known is asked for as well', async () => {
    const job = await bench.finishJob({ videoUrl: null });
    const fresh = files.serve('/of-no-url.mp4', whole(videoBytes()));
    expect(await run(job, { check: elsewhere(fresh) })).toEqual({ kind: 'stored' });
  });

  test('may be a moment behind: it is gone only after several tries, and then for good', async () => {
    const { job, path, url } = await jobAt(status(404));
    const check = elsewhere(url);
    for (let tries = 1; tries < limits.missingTriesOfAssetMax; tries += 1)
      expect(await failureIn(job, { check, tries })).toMatchObject({ type: 'output_expired', nonRetryable: false });
    const last = { check, tries: limits.missingTriesOfAssetMax };
    expect(await run(job, last)).toEqual(unusable('http_404'));
    expect(await eventsOf(job)).toMatchObject([
      { kind: 'asset.failed', data: { attempt: 1, failure: 'output_expired' } },
    ]);
    // Whoever asks again, because the answer was lost, is told the same and asks nobody.
    const before = timesAsked(path);
    expect(await run(job)).toEqual(unusable('http_404'));
    expect(timesAsked(path)).toBe(before);
    expect(await eventsOf(job)).toHaveLength(1);
  });

  test('neither at its new place is gone after several tries too', async () => {
    const { job } = await jobAt(status(403));
    const check = elsewhere(files.serve('/gone-as-well.mp4', status(410)));
    expect(await failureIn(job, { check })).toMatchObject({
      type: 'output_expired',
      message: 'output_expired: http_410',
    });
    expect(await run(job, { check, tries: limits.missingTriesOfAssetMax })).toEqual(unusable('http_410'));
  });

  test('and that its vendor has deleted is gone at once', async () => {
    const { job } = await jobAt(status(404));
    const failure = failureOf('output_expired', { vendorCode: 'data_removed' });
    expect(await run(job, { check: async () => ({ kind: 'failed', failure }) })).toEqual(unusable('data_removed'));
  });

  test.each<{ what: string; check: () => Promise<Progress>; vendorCode: string }>([
    {
      what: 'can not be reached',
      check: () => Promise.reject(new ProviderUnreachableError(failureOf('auth', { vendorCode: 'http_401' }))),
      vendorCode: 'http_401',
    },
    { what: 'calls it running again', check: async () => ({ kind: 'running' }), vendorCode: 'running' },
  ])('is tried again while its vendor $what', async ({ check, vendorCode }) => {
    const { job } = await jobAt(status(404));
    const failure = await failureIn(job, { check, tries: 99 });
    expect(failure).toMatchObject({ nonRetryable: false, message: expect.stringContaining(vendorCode) });
    expect(await eventsOf(job)).toEqual([]);
  });

  test('because it was moved: no redirect is followed', async () => {
    const target = files.serve('/redirected.mp4', whole(videoBytes()));
    const { job, url } = await jobAt(status(302, { location: target }));
    const answer = await run(job, { check: elsewhere(url), tries: limits.missingTriesOfAssetMax });
    expect(answer).toEqual(unusable('http_302'));
    expect(timesAsked('/redirected.mp4')).toBe(0);
  });
});

describe('a video at an address that nobody may dial', () => {
  /** What the name of its server means for the time being. */
  const privateAddress = async () => [{ address: '127.0.0.1', family: 4 }];
  const check = async (): Promise<Progress> => ({ kind: 'finished', video: { url: 'https://vendor.example/1.mp4' } });

  test('may be a fault of the name service, and is gone only after many tries', async () => {
    const job = await bench.finishJob({ videoUrl: 'https://vendor.example/1.mp4' });
    const changes = { check, lookup: privateAddress };
    for (const tries of [1, limits.missingTriesOfAssetMax, limits.refusedTriesOfAssetMax - 1])
      expect(await failureIn(job, { ...changes, tries })).toMatchObject({
        nonRetryable: false,
        message: 'output_expired: hostile_url',
      });
    expect(await eventsOf(job)).toEqual([]);
    expect(await run(job, { ...changes, tries: limits.refusedTriesOfAssetMax })).toEqual(unusable('hostile_url'));
  });

  test('is fetched from where its vendor says that it lies now', async () => {
    const job = await bench.finishJob({ videoUrl: 'https://vendor.example/2.mp4' });
    const video = { url: files.serve('/of-another-name.mp4', whole(videoBytes())) };
    const changes = { lookup: privateAddress, check: async (): Promise<Progress> => ({ kind: 'finished', video }) };
    expect(await run(job, changes)).toEqual({ kind: 'stored' });
  });

  test.each(['https://127.0.0.1/video.mp4', 'https://[::ffff:10.0.0.1]/video.mp4'])(
    'is never dialled, as often as it is tried: %s',
    async (url) => {
      const job = await bench.finishJob({ videoUrl: url });
      const same = { check: async (): Promise<Progress> => ({ kind: 'finished', video: { url } }) };
      expect(await failureIn(job, same)).toMatchObject({ message: 'output_expired: hostile_url' });
      expect(await run(job, { ...same, tries: limits.refusedTriesOfAssetMax })).toEqual(unusable('hostile_url'));
    },
  );
});

describe('what is not usable fails at once, says why, and leaves nothing behind', () => {
  const page = Buffer.from('<!doctype html><title>Sign in</title>'.padEnd(2_000));
  const heic = videoBytes();
  heic.write('\0\0\0\x18ftypheic', 'latin1');
  const jpeg = Buffer.alloc(2_000, 'ÿØÿà', 'latin1');

  test.each<{ what: string; answer: Parameters<FileServer['serve']>[1]; vendorCode: string }>([
    { what: 'a page', answer: whole(page, { 'content-type': 'text/html' }), vendorCode: 'not_a_video' },
    { what: 'a page that is called a video', answer: whole(page), vendorCode: 'not_a_video' },
    {
      what: 'a video that is called a page',
      answer: whole(videoBytes(), { 'content-type': 'text/html' }),
      vendorCode: 'not_a_video',
    },
    {
      what: 'an error in JSON',
      answer: whole(Buffer.from('{"code":404}'), { 'content-type': 'application/json' }),
      vendorCode: 'not_a_video',
    },
    {
      what: 'a picture',
      answer: whole(jpeg, { 'content-type': 'application/octet-stream' }),
      vendorCode: 'not_a_video',
    },
    { what: 'a picture in a container of videos', answer: whole(heic), vendorCode: 'not_a_video' },
    { what: 'nothing', answer: whole(Buffer.alloc(0)), vendorCode: 'not_a_video' },
    { what: 'too few bytes to be anything', answer: whole(videoBytes(12).subarray(0, 7)), vendorCode: 'not_a_video' },
    {
      what: 'more than we take',
      answer: (_, response) => {
        const length = limits.assetBytesMax + 1;
        response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': length }).write(videoBytes());
      },
      vendorCode: 'too_large',
    },
  ])('$what', async ({ answer, vendorCode }) => {
    const { job } = await jobAt(answer);
    expect(await run(job)).toEqual(unusable(vendorCode));
    expect(await keptBytes(job)).toHaveLength(0);
    expect(await assetOf(job)).toMatchObject({ stored_at: null, failure: { code: 'output_expired', vendorCode } });
    await until('nobody reads any more', () => files.unread() === 0);
  });

  test.each([
    'http://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
    'https://user:password@vendor.example/video.mp4',
    'not a URL',
  ])('a URL that is hostile: %s', async (videoUrl) => {
    const job = await bench.finishJob({ videoUrl });
    expect(await run(job)).toEqual(unusable('hostile_url'));
  });

  test('a hostile URL in the place of one that is gone', async () => {
    const { job } = await jobAt(status(404));
    const video = { url: 'http://localhost:5432/' };
    expect(await run(job, { check: async () => ({ kind: 'finished', video }) })).toEqual(unusable('hostile_url'));
  });
});

describe('a job that ends meanwhile', () => {
  test('needs no copy that was not begun', async () => {
    const { job, path } = await jobAt(whole(videoBytes()));
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    expect(await run(job)).toEqual({ kind: 'job_final' });
    expect(timesAsked(path)).toBe(0);
  });

  test('has no bytes left of a copy that was under way', async () => {
    const video = videoBytes();
    let finish: () => void = () => undefined;
    const { job, path } = await jobAt((_, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4' }).write(video.subarray(0, 100));
      finish = () => response.end(video.subarray(100));
    });
    const { answer } = begin(job);
    await until('it has begun', () => timesAsked(path) > 0);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    finish();
    expect(await answer).toEqual({ kind: 'job_final' });
    expect(await keptBytes(job)).toHaveLength(0);
  });

  test('needs no reason why there is none', async () => {
    let finish: () => void = () => undefined;
    const { job, path } = await jobAt((_, response) => {
      finish = () => response.writeHead(200, { 'content-type': 'text/html' }).end();
    });
    const { answer } = begin(job);
    await until('it has begun', () => timesAsked(path) > 0);
    await settleJob(bench.pool, job, { phase: 'cancelled' });
    finish();
    expect(await answer).toEqual({ kind: 'job_final' });
    expect(await eventsOf(job)).toEqual([]);
  });
});

test('an attempt that made no video has none to be copied', async () => {
  const job = await bench.finishJob();
  await bench.pool.query(`UPDATE attempts SET outcome = 'failed' WHERE job = $1`, [job]);
  expect(await run(job)).toEqual(unusable('no_video'));
});

test('an attempt that the ledger does not have, of a job that is open, is waited for: that is no word on its video', async () => {
  await expect(run(await bench.acceptJob())).rejects.toMatchObject({ type: 'MissingFromLedger' });
});
