import { expect, test } from 'vitest';
import { createCursors, type CursorScope } from '../../../src/api/streams/cursors.ts';

const secret = Buffer.from('a secret of the test');
const scope: CursorScope = ['events', 'tenant-1'];
const seal = await createCursors(async () => secret).load();

test('a place is known again, in every process', async () => {
  const place = ['12345', 'video_1', '7'];
  const cursor = seal.seal(scope, place);
  expect(cursor).toMatch(/^[\w-]+$/);
  const elsewhere = await createCursors(async () => Buffer.from(secret)).load();
  expect(elsewhere.open(scope, cursor)).toEqual(place);
});

test('for another tenant, another kind or another filter it is none', () => {
  const cursor = seal.seal(scope, ['1']);
  expect(seal.open(['events', 'tenant-2'], cursor)).toBeUndefined();
  expect(seal.open(['videos', 'tenant-1'], cursor)).toBeUndefined();
  expect(seal.open(['events', 'tenant-1', ''], cursor)).toBeUndefined();
  // Parts do not run into each other.
  const list = seal.seal(['videos', 'a', 'b'], ['1']);
  expect(seal.open(['videos', 'ab'], list)).toBeUndefined();
  expect(seal.open(['videos', 'a,b'], list)).toBeUndefined();
});

test('every change of a letter is noticed', () => {
  const cursor = seal.seal(scope, ['12345', 'video_1', '7']);
  for (let place = 0; place < cursor.length; place += 1) {
    const letter = cursor[place] === 'A' ? 'B' : 'A';
    expect(seal.open(scope, cursor.slice(0, place) + letter + cursor.slice(place + 1))).toBeUndefined();
  }
});

test.each(['', 'A', 'AAAAAAAAAAAAAAAAAAAAAA', 'not base64!', '=====', '\u0000'])('%j is none', (cursor) => {
  expect(seal.open(scope, cursor)).toBeUndefined();
});

test('another spelling of the same bytes is none, and neither is one of another secret', async () => {
  const cursor = seal.seal(scope, ['1']);
  expect(seal.open(scope, `${cursor}=`)).toBeUndefined();
  expect(seal.open(scope, ` ${cursor}`)).toBeUndefined();
  const other = await createCursors(async () => Buffer.from('another')).load();
  expect(other.open(scope, cursor)).toBeUndefined();
});

test('a secret that could not be read is asked for again', async () => {
  let tries = 0;
  const cursors = createCursors(async () => {
    tries += 1;
    if (tries === 1) throw new Error('the database is away');
    return secret;
  });
  await expect(cursors.load()).rejects.toThrow('away');
  const loaded = await cursors.load();
  await cursors.load();
  expect(tries).toBe(2);
  expect(loaded.open(scope, seal.seal(scope, ['1']))).toEqual(['1']);
});
