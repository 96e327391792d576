import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ProviderTraits } from '../../src/catalogue/availability.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { plan, type PlanResult, type Wish } from '../../src/catalogue/plan.ts';
import { limits } from '../../src/domain/limits/limits.ts';

const catalogue = await loadCatalogue(join(import.meta.dirname, '../../models.yaml'));
const traits: ProviderTraits = { callbacks: true, cancelMeans: 'stops' };

interface Wanted {
  readonly request: Partial<Wish['request']>;
  readonly fallback?: Wish['fallback'];
  /** Whose keys there are. Absent: everybody's. */
  readonly keys?: readonly string[];
}

function planned({ request, fallback = 'auto', keys = Object.keys(catalogue.providers) }: Wanted): PlanResult {
  const providers = new Map(keys.map((name) => [name, traits]));
  const wish = { request: { model: 'wan-2.6', hasImage: false, ...request }, fallback };
  return plan(catalogue, { providers, pricesNeeded: true }, wish);
}

function namesOf(result: PlanResult): readonly string[] {
  return result.kind === 'planned' ? result.route.map(({ name }) => name) : [`refused: ${result.code}`];
}

test('every provider says what it bills beside videos', () => {
  const silent = Object.entries(catalogue.providers).filter(([, { bills }]) => bills === undefined);
  expect(silent.map(([name]) => name)).toEqual([]);
});

describe('where our models go', () => {
  test.each<Wanted & { what: string; route: readonly string[] }>([
    {
      what: 'Wan 2.6: every vendor of it, then its fallbacks`',
      request: {},
      route: [
        'wavespeed/wan-2.6',
        'fal/wan-2.6',
        'replicate/wan-2.6',
        'wavespeed/kling-2.5-turbo',
        'fal/kling-2.5-turbo',
        'replicate/kling-2.5-turbo',
        'wavespeed/wan-3.0',
        'replicate/wan-3.0',
      ],
    },
    {
      what: 'Wan 2.6 in 1080p: Kling is left out',
      request: { size: '1920x1080' },
      route: ['wavespeed/wan-2.6', 'fal/wan-2.6', 'replicate/wan-2.6', 'wavespeed/wan-3.0', 'replicate/wan-3.0'],
    },
    {
      what: 'Wan 2.6 with a long prompt: fal is left out',
      request: { prompt: 'p'.repeat(801), size: '1920x1080' },
      route: ['wavespeed/wan-2.6', 'replicate/wan-2.6', 'wavespeed/wan-3.0', 'replicate/wan-3.0'],
    },
    {
      what: 'Wan 2.6 with a seed of the caller`s: Kling has none',
      request: { seed: 7 },
      fallback: ['kling-2.6'],
      route: ['wavespeed/wan-2.6', 'fal/wan-2.6', 'replicate/wan-2.6'],
    },
    {
      what: 'Wan 3.0 from a picture: Replicate takes none',
      request: { model: 'wan-3.0', hasImage: true, seconds: 20 },
      route: ['wavespeed/wan-3.0'],
    },
    {
      what: 'Kling 2.6 with sound',
      request: { model: 'kling-2.6', audio: true },
      route: ['wavespeed/kling-2.6', 'fal/kling-2.6', 'replicate/kling-2.6'],
    },
    {
      what: 'Kling 2.6 with a prompt that Kling takes nowhere',
      request: { model: 'kling-2.6', prompt: 'p'.repeat(2_501) },
      route: ['refused: text_too_long'],
    },
    {
      what: 'Gen-4.5 alone, at Runway',
      request: { model: 'gen-4.5', seconds: 3 },
      fallback: 'none',
      route: ['runway/gen-4.5'],
    },
    {
      what: 'with the keys of two',
      request: {},
      fallback: 'none',
      keys: ['replicate', 'fal'],
      route: ['fal/wan-2.6', 'replicate/wan-2.6'],
    },
    {
      what: 'Wan 3.0 where only fal has a key',
      request: { model: 'wan-3.0' },
      fallback: 'none',
      keys: ['fal'],
      route: ['refused: model_unavailable'],
    },
  ])('$what', ({ route, what: _what, ...wanted }) => {
    expect(namesOf(planned(wanted))).toEqual(route);
  });

  test('every model can be asked for by its name alone, from text', () => {
    for (const model of Object.keys(catalogue.models))
      expect(planned({ request: { model } })).toMatchObject({ kind: 'planned', seconds: 5, size: '1280x720' });
  });

  test('no route is longer than may be kept with a job', () => {
    for (const model of Object.keys(catalogue.models))
      expect(namesOf(planned({ request: { model } })).length).toBeLessThanOrEqual(limits.targetsOfRouteMax);
  });
});

describe('sora-2, which is no more', () => {
  test.each([
    { asked: 4, served: 5, model: 'wan-3.0' },
    { asked: 8, served: 10, model: 'wan-3.0' },
    { asked: 12, served: 15, model: 'wan-3.0' },
    { asked: 5, served: 5, model: 'wan-3.0' },
    { asked: 20, served: 20, model: 'wan-3.0' },
  ])('$asked s become $served', ({ asked, served, model }) => {
    const request = { model: 'sora-2', seconds: asked };
    expect(planned({ request })).toMatchObject({ model, seconds: served, requested: request });
  });

  test('4 s have the targets of both fallbacks, which the rounding is for', () => {
    expect(namesOf(planned({ request: { model: 'sora-2', seconds: 4 } }))).toEqual([
      'wavespeed/wan-3.0',
      'replicate/wan-3.0',
      'wavespeed/kling-2.6',
      'fal/kling-2.6',
      'replicate/kling-2.6',
    ]);
  });

  test.each([
    { size: '1280x720', served: '1280x720', keys: ['wavespeed'] },
    { size: '720x1280', served: '720x1280', keys: ['wavespeed'] },
    { size: '1024x1792', served: '1080x1920', keys: ['wavespeed'] },
    { size: '1792x1024', served: '1920x1080', keys: ['wavespeed'] },
    { size: '1024x1792', served: '720x1280', keys: ['fal'] },
    { size: '1792x1024', served: '1280x720', keys: ['fal'] },
  ])('$size becomes $served with the keys of $keys', ({ size, served, keys }) => {
    const result = planned({ request: { model: 'sora-2', seconds: 4, size }, keys });
    expect(result).toMatchObject({ size: served, requested: { model: 'sora-2', seconds: 4, size } });
    expect(result).toHaveProperty('model', keys[0] === 'fal' ? 'kling-2.6' : 'wan-3.0');
  });

  test('without a fallback is refused, and the answer names them', () => {
    expect(planned({ request: { model: 'sora-2' }, fallback: 'none' })).toMatchObject({
      code: 'model_retired',
      allowed: ['wan-3.0', 'kling-2.6'],
      message: expect.stringContaining('since 2026-09-24'),
    });
  });
});
