import { expect, test } from 'vitest';
import type { Repair } from '../../src/operations/repair.ts';
import { beginOfUpdateId, updateIdOf } from '../../src/operations/update-id.ts';

const signed = { by: 'ada', reason: 'a test' };
const switchTo = (target: string, more: { readonly force?: boolean; readonly reason?: string } = {}): Repair => ({
  name: 'switchTarget',
  order: { ...signed, target, ...more },
});
const idOf = (repair: Repair, request = 'request'): string => updateIdOf({ repair, request });

test('another wish under one id is another update, which Temporal does not answer with the first one’s', () => {
  const wishes: readonly Repair[] = [
    switchTo('vendor/one'),
    switchTo('vendor/two'),
    switchTo('vendor/one', { force: true }),
    { name: 'extendDeadline', order: { ...signed, seconds: 60 } },
    { name: 'extendDeadline', order: { ...signed, seconds: 61 } },
    { name: 'resubmit', order: signed },
    { name: 'resubmit', order: { ...signed, force: true } },
    { name: 'pollNow', order: signed },
  ];
  expect(new Set(wishes.map((wish) => idOf(wish))).size).toBe(wishes.length);
  expect(new Set(['a', 'b'].map((request) => idOf(switchTo('vendor/one'), request))).size).toBe(2);
});

test('the same wish is the same update, however it is written and whatever it is done for', () => {
  const one = idOf(switchTo('vendor/one'));
  expect(idOf(switchTo('vendor/one', { force: false }))).toBe(one);
  expect(idOf(switchTo('vendor/one', { reason: 'another reason' }))).toBe(one);
  expect(idOf({ name: 'switchTarget', order: { target: 'vendor/one', reason: 'x', by: 'bob' } })).toBe(one);
});

test('what all wishes under one id begin with is the beginning of none under another', () => {
  const asked = { repair: switchTo('vendor/one'), request: 'one' };
  expect(updateIdOf(asked).startsWith(beginOfUpdateId(asked))).toBe(true);
  expect(updateIdOf({ ...asked, request: 'one-more' }).startsWith(beginOfUpdateId(asked))).toBe(false);
});
