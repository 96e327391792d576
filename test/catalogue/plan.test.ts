import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plan, type PlanResult, type PlanSettings, type Wish } from '../../src/catalogue/plan.ts';
import { limits } from '../../src/domain/limits.ts';
import { sample } from './sample.ts';

interface Wanted {
  readonly request?: Partial<Wish['request']>;
  readonly wish?: Partial<Omit<Wish, 'request'>>;
  readonly settings?: Partial<PlanSettings>;
}

function planned({ request = {}, wish = {}, settings = {} }: Wanted = {}): PlanResult {
  return plan(
    sample,
    { callbacks: true, pricesNeeded: false, stoppable: new Set(), ...settings },
    { request: { model: 'grand', hasImage: false, ...request }, fallback: 'none', ...wish },
  );
}

function routeNames(result: PlanResult): readonly string[] {
  if (result.kind !== 'planned') throw new Error(`refused: ${result.message}`);
  return result.route.map(({ name }) => name);
}

describe('a plan', () => {
  test('has what the route needs, in milliseconds and millionths', () => {
    expect(planned({ settings: { stoppable: new Set(['vendor']) } })).toEqual({
      kind: 'planned',
      model: 'grand',
      seconds: 5,
      size: '1280x720',
      route: [
        {
          name: 'vendor/grand',
          provider: 'vendor',
          pool: 'main',
          vendorModel: 'grand/text',
          typicalMs: 60_000,
          longestMs: 900_000,
          patienceMs: 120_000,
          unknownGraceMs: 45_000,
          unknownPolicy: 'fail',
          callbacks: true,
          stoppable: true,
          priceUsdMicros: 1_000_000,
        },
      ],
    });
  });

  test('takes what the caller sets', () => {
    const result = planned({
      request: { seconds: 8, size: '1920x1080', seed: 0, negative_prompt: '', audio: false },
      wish: { patienceSeconds: 75 },
      settings: { callbacks: false },
    });
    expect(result).toMatchObject({
      seconds: 8,
      size: '1920x1080',
      route: [{ patienceMs: 75_000, callbacks: false, priceUsdMicros: 3_200_000 }],
    });
  });

  test('leaves out the targets that take no text, or no picture', () => {
    expect(routeNames(planned())).toEqual(['vendor/grand']);
    expect(routeNames(planned({ request: { hasImage: true } }))).toEqual(['vendor/grand', 'vendor/grand-lite']);
    expect(planned({ request: { hasImage: true } })).toMatchObject({
      route: [{ vendorModel: 'grand/image' }, { vendorModel: 'lite/image' }],
    });
  });

  test.each([
    { fallback: 'none', names: ['vendor/swift'] },
    { fallback: 'auto', names: ['vendor/swift', 'vendor/grand'] },
    { fallback: ['grand'], names: ['vendor/swift', 'vendor/grand'] },
    { fallback: ['swift', 'grand', 'grand'], names: ['vendor/swift', 'vendor/grand'] },
    { fallback: [], names: ['vendor/swift'] },
  ] as const)('with fallback $fallback goes to $names', ({ fallback, names }) => {
    expect(routeNames(planned({ request: { model: 'swift' }, wish: { fallback } }))).toEqual(names);
  });

  test('goes to a fallback where the model itself cannot', () => {
    expect(routeNames(planned({ request: { model: 'swift', size: '1920x1080' }, wish: { fallback: 'auto' } }))).toEqual(
      ['vendor/grand'],
    );
    expect(routeNames(planned({ request: { model: 'swift', hasImage: true }, wish: { fallback: 'auto' } }))).toEqual([
      'vendor/grand',
      'vendor/grand-lite',
    ]);
  });

  test('has no more targets than the limit', () => {
    const targets = Array.from({ length: 20 }, (_, index) => `copy-${index}`);
    const { 'vendor/grand': grand } = sample.targets;
    if (grand === undefined) throw new Error('the sample has changed');
    const crowded = {
      ...sample,
      models: { crowd: { targets, fallbacks: [] } },
      targets: Object.fromEntries(targets.map((name) => [name, grand])),
    };
    const settings = { callbacks: true, pricesNeeded: false, stoppable: new Set<string>() };
    const result = plan(crowded, settings, { request: { model: 'crowd', hasImage: false }, fallback: 'auto' });
    expect(routeNames(result)).toEqual(targets.slice(0, limits.targetsOfRouteMax));
  });
});

describe('a refusal points at the field and says what is allowed', () => {
  const models = ['swift', 'grand'];
  test.each<Wanted & { what: string; refusal: object }>([
    {
      what: 'an unknown model',
      request: { model: 'nope' },
      refusal: { pointer: '/model', code: 'model_not_found', allowed: models },
    },
    {
      what: 'a model called like a part of JavaScript',
      request: { model: 'constructor' },
      wish: { fallback: 'auto' },
      refusal: { pointer: '/model', code: 'model_not_found' },
    },
    {
      what: 'an unknown fallback',
      wish: { fallback: ['swift', 'nope'] },
      refusal: { pointer: '/fallback/1', code: 'model_not_found', allowed: models },
    },
    {
      what: 'a fallback called like a part of JavaScript',
      wish: { fallback: ['__proto__'] },
      refusal: { pointer: '/fallback/0', code: 'model_not_found' },
    },
    {
      what: 'a duration',
      request: { seconds: 7 },
      refusal: { pointer: '/seconds', code: 'value_not_allowed', allowed: [5, 8] },
    },
    {
      what: 'a duration for a picture',
      request: { seconds: 8, hasImage: true },
      refusal: { pointer: '/seconds', code: 'value_not_allowed', allowed: [5] },
    },
    {
      what: 'a size',
      request: { size: '64x64' },
      refusal: { pointer: '/size', code: 'value_not_allowed', allowed: ['1280x720', '1920x1080'] },
    },
    {
      what: 'a size called like a part of JavaScript',
      request: { size: 'toString' },
      refusal: { pointer: '/size', code: 'value_not_allowed' },
    },
    {
      what: 'a picture',
      request: { model: 'swift', hasImage: true },
      refusal: { pointer: '/input_reference', code: 'input_not_supported' },
    },
    {
      what: 'a negative prompt',
      request: { model: 'swift', negative_prompt: 'rain' },
      refusal: { pointer: '/negative_prompt', code: 'field_not_supported' },
    },
    {
      what: 'audio',
      request: { model: 'swift', audio: false },
      refusal: { pointer: '/audio', code: 'field_not_supported' },
    },
    {
      what: 'a seed',
      request: { hasImage: true, seed: 0 },
      refusal: { pointer: '/seed', code: 'field_not_supported' },
    },
    {
      what: 'too little money',
      wish: { maxCostUsd: 0.99 },
      refusal: { pointer: '/max_cost_usd', code: 'max_cost_too_low', message: 'This video costs 1.00 USD.' },
    },
    {
      what: 'an unknown price under the caller`s cap',
      request: { model: 'swift', size: '720x1280' },
      wish: { maxCostUsd: 50 },
      refusal: { pointer: '/max_cost_usd', code: 'price_unknown' },
    },
    {
      what: 'an unknown price under our own cap',
      request: { model: 'swift', size: '720x1280' },
      settings: { pricesNeeded: true },
      refusal: { pointer: '/max_cost_usd', code: 'price_unknown' },
    },
  ])('$what', ({ refusal, ...wanted }) => {
    expect(planned(wanted)).toMatchObject({ kind: 'refused', ...refusal });
  });

  test('no picture where one is needed', () => {
    const onlyPictures = { ...sample, models: { lite: { targets: ['vendor/grand-lite'], fallbacks: [] } } };
    const settings = { callbacks: true, pricesNeeded: false, stoppable: new Set<string>() };
    const result = plan(onlyPictures, settings, { request: { model: 'lite', hasImage: false }, fallback: 'auto' });
    expect(result).toMatchObject({ kind: 'refused', pointer: '/input_reference', code: 'input_required' });
  });

  test('the first target`s reason stands where none is left', () => {
    const result = planned({ request: { model: 'swift', seconds: 9 }, wish: { fallback: 'auto' } });
    expect(result).toMatchObject({ kind: 'refused', pointer: '/seconds', allowed: [5, 10] });
  });

  test('a name of any length is told in bounds', () => {
    const result = planned({ request: { model: 'm'.repeat(5_000) } });
    expect(result.kind === 'refused' && result.message.length).toBeLessThan(200);
  });
});

test('an unknown price is legal where nobody sets a limit', () => {
  expect(planned({ request: { model: 'swift', size: '720x1280' } })).toMatchObject({
    route: [{ priceUsdMicros: null }],
  });
});

test('a cap of exactly the price is enough, in dollars and cents', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), (cents) => {
      const { 'vendor/grand': grand } = sample.targets;
      if (grand === undefined) throw new Error('the sample has changed');
      const values = { '1280x720': cents / 100 / 5 };
      const priced = {
        ...sample,
        targets: { ...sample.targets, 'vendor/grand': { ...grand, price_per_second: { values, assumed: true } } },
      };
      const settings = { callbacks: true, pricesNeeded: true, stoppable: new Set<string>() };
      const wish: Wish = { request: { model: 'grand', hasImage: false }, fallback: 'none', maxCostUsd: cents / 100 };
      expect(plan(priced, settings, wish)).toMatchObject({
        kind: 'planned',
        route: [{ priceUsdMicros: cents * 10_000 }],
      });
    }),
  );
});
