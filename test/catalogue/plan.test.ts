import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plan, type PlanResult, type PlanSettings, type Wish } from '../../src/catalogue/plan.ts';
import type { Catalogue } from '../../src/catalogue/schema.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { bothProviders, onlyVendor, sample } from './sample.ts';

interface Wanted {
  readonly request?: Partial<Wish['request']>;
  readonly wish?: Partial<Omit<Wish, 'request'>>;
  readonly settings?: Partial<PlanSettings>;
}

function planned({ request = {}, wish = {}, settings = {} }: Wanted = {}): PlanResult {
  return plan(
    sample,
    { providers: onlyVendor, pricesNeeded: false, ...settings },
    { request: { model: 'grand', hasImage: false, ...request }, fallback: 'none', ...wish },
  );
}

function routeNames(result: PlanResult): readonly string[] {
  if (result.kind !== 'planned') throw new Error(`refused: ${result.message}`);
  return result.route.map(({ name }) => name);
}

describe('a plan', () => {
  test('has what the route needs, in milliseconds and millionths', () => {
    expect(planned()).toEqual({
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
          stoppable: false,
          priceUsdMicros: 1_000_000,
        },
      ],
    });
  });

  test('has how long a job waits in line where there is another target, by the word of the model that was asked for', () => {
    const settings = { providers: bothProviders };
    const spills = (result: PlanResult) =>
      result.kind === 'planned' ? result.route.map(({ name, spillAfterMs }) => [name, spillAfterMs]) : result;
    const words = { seconds: 5, size: '1280x720' };
    expect(spills(planned({ request: { hasImage: true, ...words }, settings }))).toEqual([
      ['vendor/grand', 40_000],
      ['vendor/grand-lite', 40_000],
    ]);
    expect(spills(planned({ request: words }))).toEqual([['vendor/grand', undefined]]);
    const swift = planned({ request: { model: 'swift', ...words }, wish: { fallback: 'auto' } });
    expect(spills(swift)).toEqual([
      ['vendor/swift', undefined],
      ['vendor/grand', undefined],
    ]);
  });

  test('takes what the caller sets', () => {
    const result = planned({
      request: { seconds: 8, size: '1920x1080', seed: 0, negative_prompt: '', audio: false },
      wish: { patienceSeconds: 75 },
    });
    expect(result).toMatchObject({
      seconds: 8,
      size: '1920x1080',
      route: [{ patienceMs: 75_000, priceUsdMicros: 3_200_000 }],
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
      models: { crowd: { maker: 'many', added: '2026-11-01', targets, fallbacks: [] } },
      targets: Object.fromEntries(targets.map((name) => [name, grand])),
    };
    const settings = { providers: onlyVendor, pricesNeeded: false };
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
      refusal: { pointer: '/max_cost_usd', code: 'max_cost_too_low', message: 'This video costs 1.00 USD or more.' },
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
    const lite = { maker: 'somebody', added: '2026-11-01', targets: ['vendor/grand-lite'], fallbacks: [] };
    const onlyPictures = { ...sample, models: { lite } };
    const settings = { providers: onlyVendor, pricesNeeded: false };
    const result = plan(onlyPictures, settings, { request: { model: 'lite', hasImage: false }, fallback: 'auto' });
    expect(result).toMatchObject({ kind: 'refused', pointer: '/input_reference', code: 'input_required' });
  });

  test('a name of any length is told in bounds', () => {
    const result = planned({ request: { model: 'm'.repeat(5_000) } });
    expect(result.kind === 'refused' && result.message.length).toBeLessThan(200);
  });
});

test('a target whose price is unknown is not for a tenant with a budget, whatever the deployment says', () => {
  const settings = { providers: onlyVendor, pricesNeeded: false };
  const wish: Wish = { request: { model: 'swift', size: '720x1280', hasImage: false }, fallback: 'none' };
  expect(plan(sample, settings, wish).kind).toBe('planned');
  expect(plan(sample, settings, { ...wish, pricesNeeded: true })).toMatchObject({ code: 'price_unknown' });
});

describe('what a target bills', () => {
  const bills = { failed: 'none', refused: 'full', cancelled: 'full', abandoned: 'none', assumed: true } as const;
  const { vendor } = sample.providers;
  const { 'vendor/grand': grand } = sample.targets;
  if (vendor === undefined || grand === undefined) throw new Error('the sample has changed');
  const billsOf = (catalogue: Catalogue) => {
    const wish: Wish = { request: { model: 'grand', hasImage: false }, fallback: 'none' };
    const result = plan(catalogue, { providers: onlyVendor, pricesNeeded: false }, wish);
    return result.kind === 'planned' ? result.route[0]?.bills : result;
  };
  const providers = { ...sample.providers, vendor: { ...vendor, bills } };

  test('is not in its route where it is as usual', () => {
    expect(billsOf(sample)).toBeUndefined();
  });

  test('is what its provider says, as far as that is unusual', () => {
    expect(billsOf({ ...sample, providers })).toEqual({ refused: 'full', abandoned: 'none' });
  });

  test('is its own word where it has one', () => {
    const own = { ...grand, bills: { ...bills, failed: 'full', refused: 'none' } as const };
    expect(billsOf({ ...sample, providers, targets: { ...sample.targets, 'vendor/grand': own } })).toEqual({
      failed: 'full',
      abandoned: 'none',
    });
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
      const settings = { providers: onlyVendor, pricesNeeded: true };
      const wish: Wish = { request: { model: 'grand', hasImage: false }, fallback: 'none', maxCostUsd: cents / 100 };
      expect(plan(priced, settings, wish)).toMatchObject({
        kind: 'planned',
        route: [{ priceUsdMicros: cents * 10_000 }],
      });
    }),
  );
});

describe('what is allowed is what all targets of the route allow together', () => {
  const route = { wish: { fallback: 'auto' }, settings: { providers: bothProviders } } as const;

  test.each<Wanted & { what: string; refusal: object }>([
    {
      what: 'lengths, in order',
      request: { model: 'swift', seconds: 9 },
      refusal: { pointer: '/seconds', allowed: [2, 3, 4, 5, 8, 10] },
    },
    {
      what: 'sizes, each once, of those that make the length',
      request: { model: 'swift', size: '64x64' },
      refusal: { pointer: '/size', allowed: ['1280x720', '720x1280', '1920x1080'] },
    },
    {
      what: 'lengths of those that make the size, and no others',
      request: { model: 'grand', seconds: 7, size: '1920x1080' },
      refusal: { pointer: '/seconds', allowed: [5, 8] },
    },
    {
      what: 'the one field whose change is enough comes before the first target`s first complaint',
      request: { model: 'grand', seconds: 3, size: '1024x1024', audio: true },
      refusal: { pointer: '/audio', code: 'field_not_supported' },
    },
    {
      what: 'where no single change is enough, the first complaint',
      request: { model: 'swift', seconds: 7, size: '64x64', audio: true },
      refusal: { pointer: '/seconds' },
    },
    {
      what: 'the least price',
      request: { model: 'grand', seconds: 5 },
      wish: { fallback: ['swift'], maxCostUsd: 0.5 },
      refusal: { pointer: '/max_cost_usd', message: 'This video costs 1.00 USD or more.' },
    },
  ])('$what', ({ refusal, wish, ...wanted }) => {
    expect(planned({ ...route, ...wanted, wish: { ...route.wish, ...wish } })).toMatchObject({
      kind: 'refused',
      ...refusal,
    });
  });

  test('what was asked for is never among it', () => {
    const sizes = ['1280x720', '720x1280', '1920x1080', '1024x1024', '64x64'];
    fc.assert(
      fc.property(
        fc.record({
          model: fc.constantFrom('swift', 'grand', 'lone', 'bygone'),
          seconds: fc.integer({ min: 1, max: 12 }),
          size: fc.constantFrom(...sizes),
          hasImage: fc.boolean(),
          optional: fc.record({ seed: fc.nat(), audio: fc.boolean() }, { requiredKeys: [] }),
        }),
        ({ optional, ...request }) => {
          const result = planned({ ...route, request: { ...request, ...optional } });
          const allowed = result.kind === 'refused' ? (result.allowed ?? []) : [];
          expect(allowed).not.toContain(request.seconds);
          expect(allowed).not.toContain(request.size);
        },
      ),
    );
  });
});

describe('a text that is too long for a target', () => {
  const settings = { providers: bothProviders };

  test.each([
    { what: 'prompt', request: { prompt: 'p'.repeat(21) }, message: 'lone takes a prompt of up to 20 characters.' },
    {
      what: 'negative prompt',
      request: { negative_prompt: 'nnnnnn' },
      message: 'lone takes a negative_prompt of up to 5 characters.',
    },
  ])('is told with what it may be: $what', ({ what, request, message }) => {
    expect(planned({ request: { model: 'lone', seconds: 3, ...request }, settings })).toMatchObject({
      kind: 'refused',
      pointer: `/${what.replace(' ', '_')}`,
      code: 'text_too_long',
      message,
    });
  });

  test('of just the length is taken, and by UTF-16 units, of which no vendor counts more', () => {
    const lone = { model: 'lone', seconds: 3 };
    expect(planned({ request: { ...lone, prompt: 'p'.repeat(20) }, settings })).toMatchObject({ kind: 'planned' });
    expect(planned({ request: { ...lone, prompt: '🛶'.repeat(11) }, settings })).toMatchObject({ kind: 'refused' });
  });

  test('leaves the target out where others take it', () => {
    const request = { model: 'lone', seconds: 5, prompt: 'p'.repeat(500) };
    expect(routeNames(planned({ request, settings, wish: { fallback: ['grand'] } }))).toEqual(['vendor/grand']);
  });
});

describe('a provider without a key', () => {
  test('has its targets in no route', () => {
    expect(routeNames(planned({ request: { seconds: 5 } }))).toEqual(['vendor/grand']);
    expect(routeNames(planned({ request: { seconds: 3 }, settings: { providers: bothProviders } }))).toEqual([
      'rival/grand',
    ]);
    expect(planned({ request: { seconds: 3 } })).toMatchObject({ pointer: '/seconds', allowed: [5, 8] });
  });

  test('makes a model that only it has unavailable, and the answer names those that there are', () => {
    expect(planned({ request: { model: 'lone' } })).toMatchObject({
      pointer: '/model',
      code: 'model_unavailable',
      allowed: ['swift', 'grand'],
    });
  });

  test('leaves the model to its fallbacks', () => {
    expect(routeNames(planned({ request: { model: 'lone' }, wish: { fallback: ['grand'] } }))).toEqual([
      'vendor/grand',
    ]);
  });
});

test('a target says how its provider tells of an end, stops a job, and what a refusal on content permits', () => {
  expect(planned({ request: { model: 'swift' } })).toMatchObject({ route: [{ moderation: 'elsewhere' }] });
  const route = planned({ request: { model: 'lone', seconds: 4 }, settings: { providers: bothProviders } });
  expect(route).toMatchObject({ route: [{ callbacks: false, stoppable: true }] });
  expect(routeNames(route)).toEqual(['rival/grand']);
  expect(planned()).not.toHaveProperty('route.0.moderation');
});

describe('a retired model', () => {
  const bygone = (request: Partial<Wish['request']> = {}, wanted: Omit<Wanted, 'request'> = {}): PlanResult =>
    planned({ ...wanted, request: { model: 'bygone', ...request }, wish: { fallback: 'auto', ...wanted.wish } });

  test('is served by its fallbacks, and the plan says what was asked for', () => {
    const result = bygone({ seconds: 4, size: '1280x720' });
    expect(routeNames(result)).toEqual(['vendor/swift', 'vendor/grand']);
    expect(result).toMatchObject({
      model: 'swift',
      seconds: 5,
      size: '1280x720',
      requested: { model: 'bygone', seconds: 4, size: '1280x720' },
    });
  });

  test('is said to be served by the model that comes first, not by the first fallback', () => {
    expect(bygone({ hasImage: true })).toMatchObject({ model: 'grand', requested: { model: 'bygone' } });
  });

  test('what the caller left to us was not requested', () => {
    expect(bygone()).toMatchObject({ seconds: 5, size: '1280x720', requested: { model: 'bygone' } });
    expect(bygone()).not.toHaveProperty('requested.seconds');
    expect(bygone()).not.toHaveProperty('requested.size');
  });

  test.each([
    { asked: 4, served: 5 },
    { asked: 5, served: 5 },
    { asked: 6, served: 8 },
    { asked: 9, served: 10 },
  ])('rounds $asked s up to $served s, to what any fallback makes', ({ asked, served }) => {
    expect(bygone({ seconds: asked })).toMatchObject({ seconds: served });
  });

  test('counts the lengths of providers that are there only', () => {
    expect(bygone({ seconds: 3 })).toMatchObject({ seconds: 5 });
    expect(bygone({ seconds: 3 }, { settings: { providers: bothProviders } })).toMatchObject({ seconds: 3 });
  });

  test('longer than anybody makes is refused with the lengths that are made', () => {
    expect(bygone({ seconds: 20 })).toMatchObject({ kind: 'refused', pointer: '/seconds', allowed: [5, 8, 10] });
  });

  test('has its odd sizes made in the nearest that can be had', () => {
    expect(bygone({ size: '1792x1024' })).toMatchObject({
      model: 'grand',
      size: '1920x1080',
      requested: { size: '1792x1024' },
    });
    expect(bygone({ size: '1792x1024' }, { wish: { fallback: ['swift'] } })).toMatchObject({
      model: 'swift',
      size: '1280x720',
    });
  });

  test('a size that nobody makes and none stands in for is refused with those that are made', () => {
    const allowed = ['1280x720', '720x1280', '1920x1080'];
    expect(bygone({ size: '640x480' })).toMatchObject({ kind: 'refused', pointer: '/size', allowed });
    expect(bygone({ size: '9000x9000' })).toMatchObject({ kind: 'refused', pointer: '/size', allowed });
    expect(bygone({ size: 'toString' })).toMatchObject({ kind: 'refused', pointer: '/size', allowed });
  });

  test.each([
    {
      what: 'whose caller allows no other',
      request: { model: 'bygone' },
      fallback: 'none',
      allowed: ['swift', 'grand'],
    },
    { what: 'whose caller`s list is empty', request: { model: 'bygone' }, fallback: [], allowed: ['swift', 'grand'] },
    { what: 'whose entry refuses', request: { model: 'banned' }, fallback: 'auto', allowed: ['swift'] },
    {
      what: 'whose entry refuses, whatever is listed',
      request: { model: 'banned' },
      fallback: ['grand'],
      allowed: ['swift'],
    },
  ] as const)('$what is refused, with its fallbacks', ({ request, fallback, allowed }) => {
    const result = planned({ request, wish: { fallback } });
    expect(result).toMatchObject({ kind: 'refused', pointer: '/model', code: 'model_retired', allowed });
    expect(result).toHaveProperty('message', expect.stringContaining('is retired since 2026-'));
  });

  test('is no fallback', () => {
    expect(planned({ wish: { fallback: ['swift', 'bygone'] } })).toMatchObject({
      kind: 'refused',
      pointer: '/fallback/1',
      code: 'model_retired',
    });
  });

  test('whose fallbacks have no key here is not set up here', () => {
    expect(bygone({}, { settings: { providers: new Map() } })).toMatchObject({ code: 'model_unavailable' });
  });
});
