import { describe, expect, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { observedOf, paceOf } from '../../src/domain/pace.ts';

const nothing = { granted: 0, spanMs: 0, error: 0 };

describe('what was observed of a line', () => {
  const every = limits.drainSampleEveryMs;

  test('is of the time in which somebody waited without a break', () => {
    expect(observedOf([])).toEqual(nothing);
    expect(observedOf([[1_000, 5]])).toEqual(nothing);
    const samples = [0, 1, 2, 50, 51, 52].map((time, index) => [time * every, index * 10] as const);
    expect(observedOf(samples)).toEqual({ granted: 20, spanMs: 2 * every, error: 0 });
  });

  test('is as doubtful as its parts differ', () => {
    const steady = Array.from({ length: 61 }, (_, index) => [index * every, index * 20] as const);
    expect(observedOf(steady).error).toBeCloseTo(0);
    // Of five parts one saw nothing granted: off by a quarter.
    const halted = steady.map(([at, total], index) => [at, index < 13 ? 0 : total - 240] as const);
    expect(observedOf(halted).error).toBeCloseTo(0.25, 1);
  });
});

describe('the pace of a line', () => {
  const expected = { expectedPerMs: 0.01, meanMs: 10_000 };
  const observed = (means: number, rate: number) => ({
    granted: means * 100 * rate,
    spanMs: means * 10_000,
    error: 0.03,
  });

  test('is as expected at first, also while nothing of a first wave has ended', () => {
    expect(paceOf(observed(0, 0), expected)).toEqual({ pace: 1, doubt: limits.drainDoubtMax });
    expect(paceOf(observed(1, 0), expected).pace).toBeGreaterThan(0.9);
  });

  test('is as observed in the end, and in doubt by how much that varied', () => {
    const { pace, doubt } = paceOf(observed(40, 0.8), expected);
    expect(pace).toBeCloseTo(0.8, 2);
    expect(doubt).toBeCloseTo(0.03, 2);
    expect(paceOf({ ...observed(40, 1), error: 0 }, expected).doubt).toBeGreaterThan(limits.drainDoubtMin * 0.9);
  });

  test('is never nothing: who has stood still for long is not expected to stand for ever', () => {
    expect(paceOf(observed(10_000, 0), expected).pace).toBeGreaterThan(0);
  });
});
