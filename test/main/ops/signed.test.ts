import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/domain/limits/limits.ts';
import { countOf, refuseOthers, secondsFor, signatureOf, signedOf } from '../../../src/main/ops/signed.ts';

describe('who and why', () => {
  test('is whoever the machine says, unless somebody else is named', () => {
    expect(signedOf({ reason: ' a test ', by: 'ann' })).toEqual({ actor: 'ann', reason: 'a test' });
    expect(signedOf({ reason: 'a test' }).actor).toMatch(/\S/);
  });

  test('a reason is asked for, on one line', () => {
    expect(() => signedOf({ by: 'ann' })).toThrow(/--reason/);
    expect(() => signedOf({ reason: '  ' })).toThrow(/--reason/);
    expect(() => signedOf({ reason: 'one\ntwo' })).toThrow(/one line/);
    expect(() => signedOf({ reason: 'x'.repeat(limits.reasonCharsMax + 1) })).toThrow(/--reason/);
    expect(() => signedOf({ reason: 'x', by: '' })).toThrow(/--by/);
  });
});

test('where no reason is asked for, one that is given is one all the same', () => {
  expect(signatureOf({ by: 'ann' })).toEqual({ actor: 'ann', reason: '' });
  expect(signatureOf({ by: 'ann', reason: ' a test ' })).toEqual({ actor: 'ann', reason: 'a test' });
  expect(() => signatureOf({ by: 'ann', reason: '' })).toThrow(/--reason/);
  expect(() => signatureOf({ by: 'a\nb' })).toThrow(/--by/);
});

describe('how long', () => {
  test.each([
    ['90s', 90],
    ['30m', 1_800],
    ['2h', 7_200],
    ['7d', 604_800],
  ])('%s is %i seconds', (text, seconds) => expect(secondsFor(text, 1e9)).toBe(seconds));

  test.each(['', '2', 'h', '-2h', '0h', '1.5h', '2 h', '2w', '9999999999s'])('%j is none', (text) => {
    expect(() => secondsFor(text, 1e9)).toThrow(/--for/);
  });

  test('is bounded', () => expect(() => secondsFor('31d', limits.overrideSecondsMax)).toThrow(/30d/));
});

test('a count is whole and bounded', () => {
  expect(countOf('outstanding', '10', 10)).toBe(10);
  for (const text of ['0', '11', '1.5', 'x', '-1', ''])
    expect(() => countOf('outstanding', text, 10)).toThrow(/from 1 to 10/);
});

test('an option that a command has no use for is refused, and one that was not given is not', () => {
  expect(() => refuseOthers({ reason: 'x', force: true }, ['reason'])).toThrow('--force is not for this command.');
  expect(() => refuseOthers({ reason: 'x', json: false, help: false }, ['reason'])).not.toThrow();
});
