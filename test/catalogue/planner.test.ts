import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { plan, type PlanResult, type Wish } from '../../src/catalogue/plan.ts';
import { createPlanner } from '../../src/catalogue/planner.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { bothProviders, sample } from './sample.ts';

const settings = { providers: bothProviders, pricesNeeded: false };

function wishOf(request: Partial<Wish['request']> = {}, rest: Partial<Omit<Wish, 'request'>> = {}): Wish {
  return { request: { model: 'grand', hasImage: false, ...request }, fallback: 'none', ...rest };
}

function routeNames(result: PlanResult): readonly string[] {
  return result.kind === 'planned' ? result.route.map(({ name }) => name) : [];
}

test('what is remembered is what would be planned, whatever was asked before', () => {
  const planner = createPlanner(sample, settings);
  const model = fc.constantFrom('swift', 'grand', 'lone', 'bygone', 'banned', 'nope', '__proto__');
  const text = fc.constantFrom(0, 1, 5, 6, 19, 20, 21, 400).map((length) => 'p'.repeat(length));
  const wish = fc.record(
    {
      request: fc.record(
        {
          model,
          hasImage: fc.boolean(),
          seconds: fc.integer({ min: 1, max: 11 }),
          size: fc.constantFrom('1280x720', '1920x1080', '1792x1024', '1024x1024', '64x64'),
          prompt: text,
          negative_prompt: text,
          seed: fc.constantFrom(0, 7),
          audio: fc.boolean(),
        },
        { requiredKeys: ['model', 'hasImage'] },
      ),
      fallback: fc.oneof(fc.constantFrom('auto' as const, 'none' as const), fc.array(model, { maxLength: 3 })),
      patienceSeconds: fc.constantFrom(60, 75),
      pricesNeeded: fc.boolean(),
      maxCostUsd: fc.constantFrom(0.01, 0.5, 1, 5),
    },
    { requiredKeys: ['request', 'fallback'] },
  );
  fc.assert(
    fc.property(wish, (asked) => {
      expect(planner(asked)).toEqual(plan(sample, settings, asked));
    }),
    { numRuns: 2_000 },
  );
});

test('wishes that no target can tell apart have one plan', () => {
  const planner = createPlanner(sample, settings);
  const [first, second] = ['a fox', 'two foxes'].map((prompt, seed) => planner(wishOf({ prompt, seed })));
  expect(first?.kind).toBe('planned');
  expect(second).toBe(first);
});

test('a prompt that is longer than a target takes still leaves that target out', () => {
  const planner = createPlanner(sample, settings);
  const ofLength = (length: number) =>
    planner(wishOf({ model: 'lone', seconds: 4, prompt: 'p'.repeat(length) }, { fallback: 'none' }));
  expect(routeNames(ofLength(20))).toEqual(['rival/grand']);
  expect(ofLength(21)).toMatchObject({ kind: 'refused', code: 'text_too_long' });
  expect(routeNames(ofLength(20))).toEqual(['rival/grand']);
});

test('no seed, no audio and no negative prompt are not the same as one', () => {
  const planner = createPlanner(sample, settings);
  expect(planner(wishOf({ model: 'swift' })).kind).toBe('planned');
  expect(planner(wishOf({ model: 'swift', audio: false }))).toMatchObject({ pointer: '/audio' });
  expect(planner(wishOf({ model: 'swift', negative_prompt: '' }))).toMatchObject({ pointer: '/negative_prompt' });
});

test('a refusal is told anew, in the words of who asks', () => {
  const planner = createPlanner(sample, settings);
  const messages = ['nope', 'neither'].map((model) => planner(wishOf({ model })));
  expect(messages).toMatchObject([
    { message: 'There is no model called "nope".' },
    { message: 'There is no model called "neither".' },
  ]);
  expect(planner(wishOf({ model: 'nope' }))).not.toBe(messages[0]);
});

test('callers with ever new wishes fill no memory, and push out nothing that is in use', () => {
  const planner = createPlanner(sample, settings);
  const ofCost = (index: number) => planner(wishOf({}, { maxCostUsd: 10 + index / 1_000 }));
  const inUse = ofCost(0);
  const forgotten = ofCost(1);
  for (let index = 2; index <= limits.plansRememberedMax; index += 1) {
    ofCost(index);
    expect(ofCost(0)).toBe(inUse);
  }
  expect(ofCost(1)).toEqual(forgotten);
  expect(ofCost(1)).not.toBe(forgotten);
});

test('refusals push out nothing', () => {
  const planner = createPlanner(sample, settings);
  const kept = planner(wishOf());
  for (let index = 0; index < 2 * limits.plansRememberedMax; index += 1) planner(wishOf({ model: `nope-${index}` }));
  expect(planner(wishOf())).toBe(kept);
});
