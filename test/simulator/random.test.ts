import { expect, test } from 'vitest';
import { gaussian, hexId, randomFor, uuidOf } from '../../src/simulator/random.ts';

const draw = (count: number, next: () => number) => Array.from({ length: count }, next);

test('the same keys give the same stream, other keys another', () => {
  expect(draw(5, randomFor('seed', 1))).toEqual(draw(5, randomFor('seed', 1)));
  expect(draw(5, randomFor('seed', 1))).not.toEqual(draw(5, randomFor('seed', 2)));
  expect(draw(5, randomFor('a', 11))).not.toEqual(draw(5, randomFor('a1', 1)));
});

test('first draws of neighbouring ordinals are spread evenly', () => {
  const draws = Array.from({ length: 10_000 }, (_, ordinal) => randomFor(7, 'fault', ordinal)());
  const below = (limit: number) => draws.filter((value) => value < limit).length / draws.length;
  expect(below(0.1)).toBeCloseTo(0.1, 1);
  expect(below(0.5)).toBeCloseTo(0.5, 1);
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
});

test('gaussian draws have mean 0 and deviation 1', () => {
  const random = randomFor('normal');
  const draws = draw(20_000, () => gaussian(random));
  const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
  const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(Math.sqrt(variance)).toBeCloseTo(1, 1);
});

test('ids look like the vendor’s, and 100,000 of them differ', () => {
  const ids = new Set(Array.from({ length: 100_000 }, (_, ordinal) => hexId('demo', ordinal)));
  expect(hexId(1)).toMatch(/^[0-9a-f]{32}$/);
  expect(ids.size).toBe(100_000);
});

test('an id can be written as a UUID', () => {
  expect(uuidOf(hexId(1))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
});
