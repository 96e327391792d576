import { describe, expect, test } from 'vitest';
import { differenceOfPrice, differencesOfInput, ordersToQuote } from '../../../src/main/vendors/compare-models.ts';
import type { VendorField, VendorModel } from '../../../src/providers/vendor-catalogue.ts';
import { sample } from '../../catalogue/sample.ts';

const target = sample.targets['vendor/grand'];
const mode = target?.text;
if (target === undefined || mode === undefined) throw new Error('the sample has changed');

const fields: Readonly<Record<string, VendorField>> = {
  prompt: { type: 'string' },
  seconds: { type: 'integer', values: [5, 8, 12] },
  size: { type: 'string', values: ['1280*720', '1920*1080'] },
  negative: { type: 'string' },
  noise: { type: 'integer', min: -1, max: 100 },
  sound: { type: 'boolean' },
  expand: { type: 'boolean' },
};

function model(changes: Readonly<Record<string, VendorField | undefined>> = {}, required = ['prompt']): VendorModel {
  const changed = Object.entries({ ...fields, ...changes }).flatMap(([name, field]) =>
    field === undefined ? [] : [[name, field] as const],
  );
  return { fields: new Map(changed), required };
}

describe('the words of a target against its vendor`s description', () => {
  test('that says the same', () => {
    expect(differencesOfInput(mode, model())).toEqual([]);
  });

  test.each<{ what: string; described: VendorModel | undefined; says: readonly string[] }>([
    { what: 'a model that is gone', described: undefined, says: ['the vendor has no such model'] },
    { what: 'a field that is gone', described: model({ noise: undefined }), says: ['there is no field noise'] },
    {
      what: 'a field that has become required',
      described: model({ style: { type: 'string' } }, ['prompt', 'style']),
      says: ['style is required, and not always sent'],
    },
    {
      what: 'an option of ours that has become required',
      described: model({}, ['negative']),
      says: ['negative is required, and not always sent'],
    },
    {
      what: 'a length that is gone',
      described: model({ seconds: { type: 'integer', values: [5, 10] } }),
      says: ['seconds: 8 is not one of 5, 10'],
    },
    {
      what: 'a size that is written otherwise',
      described: model({ size: { values: ['1280x720', '1920*1080'] } }),
      says: ['size: "1280*720" is not one of 1280x720, 1920*1080'],
    },
    {
      what: 'a number that has become a text',
      described: model({ seconds: { type: 'string', values: ['5', '8'] } }),
      says: [
        'seconds: 5 is a number, and the vendor wants string',
        'seconds: 8 is a number, and the vendor wants string',
      ],
    },
    {
      what: 'a bound',
      described: model({ noise: { type: 'integer', max: 5 } }),
      says: ['noise: 7 is not between -Infinity and 5'],
    },
  ])('$what', ({ described, says }) => {
    expect(differencesOfInput(mode, described)).toEqual(says);
  });

  test('a type that we know nothing of is no difference', () => {
    expect(differencesOfInput(mode, model({ sound: { type: 'whatever' }, prompt: {} }))).toEqual([]);
  });
});

test('the shortest and the longest video of every size are quoted, without options', () => {
  expect(ordersToQuote(mode).map(({ size, seconds }) => [size, seconds])).toEqual([
    ['1280x720', 5],
    ['1280x720', 8],
    ['1920x1080', 5],
    ['1920x1080', 8],
  ]);
  expect(ordersToQuote(mode)[0]?.input).toEqual({
    expand: false,
    size: '1280*720',
    prompt: 'a paper boat on a river of light',
    seconds: 5,
  });
});

describe('a quote against the catalogue`s price', () => {
  const order = { size: '1280x720', seconds: 5, input: {} };

  test.each([
    { quoted: 1, says: undefined },
    { quoted: 1.0099, says: undefined },
    { quoted: 0.991, says: undefined },
    { quoted: 1.02, says: '1280x720, 5 s: the catalogue says 1.000 USD, the vendor asks 1.020' },
    { quoted: 0.98, says: '1280x720, 5 s: the catalogue says 1.000 USD, the vendor asks 0.980' },
    { quoted: 0, says: '1280x720, 5 s: the catalogue says 1.000 USD, the vendor asks 0.000' },
    { quoted: undefined, says: '1280x720, 5 s: the vendor quotes no price' },
  ])('of $quoted', ({ quoted, says }) => {
    expect(differenceOfPrice(target, order, quoted)).toBe(says);
  });

  test('for what the catalogue has no price of', () => {
    expect(differenceOfPrice(target, { ...order, size: '64x64' }, 0.5)).toBe(
      '64x64, 5 s: the catalogue has no price, the vendor asks 0.500 USD',
    );
  });
});
