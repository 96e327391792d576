import type { RequestListener } from 'node:http';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { listen, type RunningServer } from '../../src/api/server.ts';
import type { SubmitOrder } from '../../src/contracts/activities.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { callerUrlPolicy } from '../../src/providers/hostile-url.ts';
import type { VideoProvider } from '../../src/providers/provider.ts';
import { createRemoteFiles } from '../../src/providers/remote-file.ts';
import { inputKey, inputKeysOf, preparedKey } from '../../src/storage/input-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { intercept } from '../db/intercept.ts';
import { noisy, phonePicture } from '../support/pictures.ts';
import { type ActivityBench, type BenchDeps, openActivityBench } from './activity-bench.ts';

let bench: ActivityBench;
let selfie: Buffer;
let server: RunningServer;
let host: string;
let asked: number;
let answer: RequestListener;
beforeAll(async () => {
  bench = await openActivityBench();
  selfie = await phonePicture();
  const handler: RequestListener = (request, response) => {
    asked += 1;
    answer(request, response);
  };
  server = await listen(handler, { host: '127.0.0.1', port: 0 });
  host = `127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close(0);
  await bench.close();
});
beforeEach(() => {
  asked = 0;
  answer = (_request, response) => response.end(selfie);
});

const target = { vendorModel: 'alibaba/wan-2.6/image-to-video' };
const placeOf = ({ jobId }: SubmitOrder) => ({ tenant: 'default', jobId });

/** A job whose picture lies in the store as it came. */
async function orderStored(raw: Buffer | 'lost' = selfie): Promise<SubmitOrder> {
  const order = await bench.orderOne({ target });
  const key = inputKey(placeOf(order), 'image/jpeg');
  if (raw !== 'lost') await bench.store.write(key, { body: raw });
  await bench.pool.query('UPDATE jobs SET input_image = $2 WHERE id = $1', [order.jobId, key]);
  return order;
}

/** A job whose picture is still at its URL, and the door as callers' URLs have it, which lets this one host through. */
async function orderRemote(): Promise<[SubmitOrder, BenchDeps]> {
  const files = createRemoteFiles({ policy: { ...callerUrlPolicy, own: { host, plainHttpAllowed: true } } });
  const order = await bench.orderOne({ target, inputUrl: `http://${host}/selfie.jpg` });
  return [order, { openInput: (file) => files.open(file) }];
}

async function inputOf({ jobId }: SubmitOrder) {
  const { rows } = await bench.pool.query('SELECT input_image, input_prepared, input_url FROM jobs WHERE id = $1', [
    jobId,
  ]);
  return rows[0];
}

/** Which of the places of a job's picture have one. */
async function keptOf(order: SubmitOrder): Promise<readonly string[]> {
  const keys = inputKeysOf(placeOf(order));
  const facts = await Promise.all(keys.map((key) => bench.store.describe(key)));
  return keys.filter((_key, index) => facts[index] !== undefined);
}

/** The picture that the vendor has, as the model's input names it. */
async function atVendor(order: SubmitOrder): Promise<Buffer> {
  const [prediction, ...more] = await bench.predictionsOf(order);
  expect(more).toEqual([]);
  const response = await fetch(String(prediction?.input['image']));
  return Buffer.from(await response.arrayBuffer());
}

async function expectPrepared(order: SubmitOrder): Promise<void> {
  const key = preparedKey(placeOf(order));
  expect(await inputOf(order)).toEqual({ input_image: key, input_prepared: true, input_url: null });
  expect(await keptOf(order)).toEqual([key]);
}

const storeWith = (overrides: Partial<ObjectStore>): ObjectStore => ({ ...bench.store, ...overrides });

describe('a picture that was kept as it came', () => {
  test('is prepared, handed over, and kept as prepared only', async () => {
    const order = await orderStored();
    expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'accepted' });
    const picture = await atVendor(order);
    expect(await sharp(picture).metadata()).toMatchObject({ format: 'jpeg', width: 300, height: 400 });
    expect([picture.includes('secret'), picture.includes('Exif')]).toEqual([false, false]);
    await expectPrepared(order);
  });

  test('may have anything behind its end, which no vendor gets', async () => {
    const order = await orderStored(Buffer.concat([selfie, Buffer.from('<html><script>alert(1)</script>')]));
    await bench.run.submitAttempt(order);
    expect((await atVendor(order)).includes('script')).toBe(false);
  });

  test('is prepared once: a later attempt reads what the first has made', async () => {
    const order = await orderStored();
    // The vendor's answer to the hand-over is lost, so the activity runs again.
    const db = intercept(bench.pool, async (statement) => {
      if (statement === 'begin_attempt') throw new Error('terminating connection');
    });
    await expect(bench.run.submitAttempt(order, { db })).rejects.toThrow('terminating connection');
    await expectPrepared(order);
    const written: string[] = [];
    const store = storeWith({
      write: async (key, object) => {
        written.push(key);
        await bench.store.write(key, object);
      },
    });
    expect(await bench.run.submitAttempt(order, { store })).toMatchObject({ kind: 'accepted' });
    expect(written).toEqual([]);
    await expectPrepared(order);
  });

  test.each<[string, () => Promise<Buffer>]>([
    ['is cut off', async () => (await noisy(640, 480).jpeg().toBuffer()).subarray(0, 20_000)],
    ['is a script', async () => Buffer.from('ffd8ff3c3f706870', 'hex')],
    ['is empty', async () => Buffer.alloc(0)],
  ])('and %s is a request that no target will do better with', async (_what, make) => {
    const order = await orderStored(await make());
    const before = await bench.submits();
    expect(await bench.run.submitAttempt(order)).toMatchObject({
      kind: 'refused',
      failure: { code: 'invalid_input', retry: 'never', vendorCode: 'undecodable_picture' },
    });
    expect(await bench.submits()).toBe(before);
    expect(await bench.attemptOf(order)).toMatchObject({ state: 'refused', cost_usd_micros: '0' });
    expect(await bench.rowsOf('permits', order)).toEqual([]);
  });

  test('and is lost is nobody’s to try again', async () => {
    const order = await orderStored('lost');
    const before = await bench.submits();
    expect(await bench.run.submitAttempt(order)).toMatchObject({
      kind: 'refused',
      failure: { code: 'media_fetch', retry: 'never' },
    });
    expect(await bench.submits()).toBe(before);
  });
});

describe('a picture that is still at its URL', () => {
  test('is read, prepared, handed over, and its URL forgotten', async () => {
    const [order, deps] = await orderRemote();
    expect(await bench.run.submitAttempt(order, deps)).toMatchObject({ kind: 'accepted' });
    expect(await sharp(await atVendor(order)).metadata()).toMatchObject({ width: 300, height: 400 });
    await expectPrepared(order);
    expect(await bench.run.submitAttempt(order, deps)).toMatchObject({ kind: 'accepted' });
    expect(asked).toBe(1);
  });

  test.each<[string, RequestListener, object]>([
    ['is not there', (_, response) => response.writeHead(404).end(), { code: 'media_fetch', vendorCode: 'http_404' }],
    ['is a page', (_, response) => response.end('<html>'), { code: 'media_fetch', vendorCode: 'not_a_picture' }],
    ['is no whole picture', (_, response) => response.end(selfie.subarray(0, 900)), { code: 'invalid_input' }],
  ])('and %s ends the job, with nothing sent', async (_what, listener, failure) => {
    answer = listener;
    const [order, deps] = await orderRemote();
    const before = await bench.submits();
    expect(await bench.run.submitAttempt(order, deps)).toMatchObject({
      kind: 'refused',
      failure: { ...failure, retry: 'never' },
    });
    expect([await bench.submits(), await keptOf(order)]).toEqual([before, []]);
  });

  test('is not read from a place of ours, whatever its row says', async () => {
    const order = await bench.orderOne({ target, inputUrl: `https://${host}/selfie.jpg` });
    expect(await bench.run.submitAttempt(order)).toMatchObject({
      failure: { code: 'media_fetch', vendorCode: 'hostile_url' },
    });
    expect(asked).toBe(0);
  });
});

describe('whoever dies over a picture', () => {
  test.each(['stored', 'remote'])('before the note of it leaves what the next one begins with: %s', async (kind) => {
    const [order, deps] = kind === 'stored' ? [await orderStored(), {}] : await orderRemote();
    const db = intercept(bench.pool, async (statement) => {
      if (statement === 'keep_prepared_picture') throw new Error('terminating connection');
    });
    await expect(bench.run.submitAttempt(order, { ...deps, db })).rejects.toThrow('terminating connection');
    // Nothing that the row does not name or retention does not look for.
    expect(await keptOf(order)).toContain(preparedKey(placeOf(order)));
    expect(await bench.run.submitAttempt(order, deps)).toMatchObject({ kind: 'accepted' });
    await expectPrepared(order);
  });

  test('after the note leaves the raw picture where retention looks for it', async () => {
    const order = await orderStored();
    const store = storeWith({ remove: () => Promise.reject(new Error('EIO')) });
    expect(await bench.run.submitAttempt(order, { store })).toMatchObject({ kind: 'accepted' });
    expect(await inputOf(order)).toMatchObject({ input_image: preparedKey(placeOf(order)), input_prepared: true });
    expect(await keptOf(order)).toEqual([preparedKey(placeOf(order)), inputKey(placeOf(order), 'image/jpeg')]);
  });

  test('while another still works does not take the picture from it', async () => {
    const order = await orderStored();
    let first: Promise<unknown> | undefined;
    const store = storeWith({
      open: async (key, range) => {
        // The other one prepares and removes it between our reading of the row and of the object.
        first ??= bench.run.submitAttempt(order);
        expect(await first).toMatchObject({ kind: 'accepted' });
        return await bench.store.open(key, range);
      },
    });
    const before = await bench.submits();
    expect(await bench.run.submitAttempt(order, { store })).toMatchObject({ kind: 'accepted' });
    expect(await bench.submits()).toBe(before + 1);
    await expectPrepared(order);
  });

  test('or two at once, leaves one picture and one order', async () => {
    const order = await orderStored();
    const before = await bench.submits();
    const answers = await Promise.all([bench.run.submitAttempt(order), bench.run.submitAttempt(order)]);
    expect(answers.map(({ kind }) => kind)).toContain('accepted');
    expect(await bench.submits()).toBe(before + 1);
    await expectPrepared(order);
  });
});

test.each<[string, Partial<ObjectStore>]>([
  ['not be read', { open: () => Promise.reject(new Error('ECONNRESET')) }],
  ['not be written', { write: () => Promise.reject(new Error('ENOSPC')) }],
])(
  'a store that can %s is no fault of the picture: the activity is tried again, and nothing was sent',
  async (_what, trouble) => {
    const order = await orderStored();
    const before = await bench.submits();
    await expect(bench.run.submitAttempt(order, { store: storeWith(trouble) })).rejects.toThrow(/ECONNRESET|ENOSPC/);
    expect(await bench.submits()).toBe(before);
    expect(await bench.attemptOf(order)).toEqual({});
    expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'accepted' });
  },
);

test('a store that says nothing is waited for so long and no longer, and lets the next picture in', async () => {
  const order = await orderStored();
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
  try {
    const store = storeWith({ open: () => new Promise(() => undefined) });
    const submitted = Promise.allSettled([bench.run.submitAttempt(order, { store })]);
    await expect.poll(() => timeout.mock.calls).toContainEqual([limits.storeWaitMsMax]);
    late.abort(new DOMException('late', 'TimeoutError'));
    expect(await submitted).toMatchObject([{ reason: { name: 'TimeoutError' } }]);
  } finally {
    timeout.mockRestore();
  }
  expect(await bench.run.submitAttempt(order)).toMatchObject({ kind: 'accepted' });
});

test('the picture of a job that is erased meanwhile does not come back', async () => {
  const order = await orderStored();
  const db = intercept(bench.pool, async (statement) => {
    if (statement !== 'keep_prepared_picture') return;
    await bench.pool.query('UPDATE jobs SET request = NULL, input_image = NULL, input_url = NULL WHERE id = $1', [
      order.jobId,
    ]);
    await bench.store.remove(inputKey(placeOf(order), 'image/jpeg'));
  });
  expect(await bench.run.submitAttempt(order, { db })).toMatchObject({ kind: 'refused' });
  expect(await keptOf(order)).toEqual([]);
  expect(await inputOf(order)).toMatchObject({ input_image: null, input_prepared: false });
});

describe('a vendor that takes no pictures', () => {
  const inputs: unknown[] = [];
  const provider: VideoProvider = {
    name: 'wavespeed',
    cancelMeans: 'none',
    start: async ({ input }) => {
      inputs.push(input['image']);
      return { kind: 'accepted', operation: `op-of-link-${inputs.length}` };
    },
    check: () => Promise.reject(new Error('nobody asks')),
  };
  const providers = new Map([['wavespeed', provider]]);

  test('gets a link to ours, where the store has any', async () => {
    const order = await orderStored();
    const links = {
      download: async (key: string, { secondsValid }: { secondsValid: number }) =>
        `https://bucket.example/${key}?for=${secondsValid}`,
      upload: () => Promise.reject(new Error('nobody uploads')),
    };
    expect(await bench.run.submitAttempt(order, { providers, store: storeWith({ links }) })).toMatchObject({
      kind: 'accepted',
    });
    expect(inputs).toEqual([`https://bucket.example/${preparedKey(placeOf(order))}?for=86400`]);
  });

  test('waits for a link that can not be made just now: the activity is tried again, and nothing was sent', async () => {
    const order = await orderStored();
    const refuse = () => Promise.reject(new Error('no credentials'));
    const store = storeWith({ links: { download: refuse, upload: refuse } });
    const before = inputs.length;
    await expect(bench.run.submitAttempt(order, { providers, store })).rejects.toThrow('no credentials');
    expect([inputs.length, await bench.attemptOf(order)]).toEqual([before, {}]);
  });

  test('is passed over where it has none', async () => {
    const order = await orderStored();
    expect(await bench.run.submitAttempt(order, { providers })).toMatchObject({
      kind: 'refused',
      failure: { code: 'media_fetch', retry: 'elsewhere' },
    });
  });
});
