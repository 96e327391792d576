import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { ObjectStore, OpenedObject } from '../../src/storage/object-store.ts';
import { openInTime, readObject } from '../../src/storage/read-object.ts';

type Open = ObjectStore['open'];

const storeOf = (open: Open): ObjectStore => ({
  open,
  write: async () => undefined,
  describe: async () => undefined,
  copy: async () => false,
  remove: async () => undefined,
});
const silent = (): Readable => new Readable({ read: () => undefined });

function setup(open: Open) {
  const wait = new AbortController();
  const store = storeOf(open);
  const query = { key: 'a.jpg', range: { start: 0, end: 9 }, signal: wait.signal };
  return { store, query, giveUp: () => wait.abort(new Error('late')) };
}

test('an object is read whole, from the part that was asked for, and one that is not there is none', async () => {
  const asked: unknown[] = [];
  const { store, query } = setup(async (key, range) => {
    asked.push([key, range]);
    return { bytes: 99, body: Readable.from([Buffer.from('pic'), Buffer.from('ture')], { objectMode: false }) };
  });
  expect(await readObject(store, query)).toEqual({ bytes: 99, content: Buffer.from('picture') });
  expect(asked).toEqual([['a.jpg', { start: 0, end: 9 }]]);
  expect(await readObject(setup(async () => undefined).store, query)).toBeUndefined();
});

test('an object that is opened too late is closed again, also when that is an error', async () => {
  let opened: (object: OpenedObject) => void = () => undefined;
  const { store, query, giveUp } = setup(() => new Promise((resolve) => (opened = resolve)));
  const opening = Promise.allSettled([openInTime(store, query)]);
  giveUp();
  expect(await opening).toMatchObject([{ reason: { message: 'late' } }]);
  const body = new Readable({
    read: () => undefined,
    destroy: (_error, done) => done(new Error('the connection was cut')),
  });
  opened({ bytes: 1, body });
  await expect.poll(() => body.destroyed).toBe(true);
});

test('a store that fails after the wait harms nobody', async () => {
  let fail: (error: Error) => void = () => undefined;
  const { store, query, giveUp } = setup(() => new Promise((_resolve, reject) => (fail = reject)));
  const opening = Promise.allSettled([openInTime(store, query)]);
  giveUp();
  fail(new Error('ECONNRESET'));
  expect(await opening).toMatchObject([{ reason: { message: 'late' } }]);
});

test('a body that falls silent is given up and let go of', async () => {
  const body = silent();
  body.push('pic');
  const { store, query, giveUp } = setup(async () => ({ bytes: 9, body }));
  const reading = Promise.allSettled([readObject(store, query)]);
  setImmediate(giveUp);
  expect(await reading).toMatchObject([{ status: 'rejected' }]);
  expect(body.destroyed).toBe(true);
});

test('nobody waits for what is opened after the end', async () => {
  const body = silent();
  const { store, query, giveUp } = setup(async () => ({ bytes: 9, body }));
  giveUp();
  await expect(openInTime(store, query)).rejects.toThrow('late');
  await expect.poll(() => body.destroyed).toBe(true);
});
