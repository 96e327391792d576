import { describe, expect, test } from 'vitest';
import { type Depth, rankOf } from '../../src/domain/flow-depth.ts';
import { limits } from '../../src/domain/limits/limits.ts';

describe('the rank in a flow', () => {
  const deep: Depth = {
    ahead: limits.placesAheadCountedMax,
    waiting: 10_000,
    later: 4_000,
    behind: 120,
    bucket: 300,
    shareBehind: null,
  };

  test('is counted at the head, and behind it by what is behind', () => {
    expect(rankOf({ ...deep, ahead: 0 })).toBe(1);
    expect(rankOf({ ...deep, ahead: 41 })).toBe(42);
    expect(rankOf(deep)).toBe(5_880);
  });

  test('is estimated in a bucket of many, and never less than what was counted', () => {
    const many = { ...deep, behind: limits.placesBehindCountedMax, bucket: 4_000, shareBehind: 0.25 };
    expect(rankOf(many)).toBe(5_000);
    expect(rankOf({ ...many, shareBehind: 7 })).toBe(2_000);
    expect(rankOf({ ...deep, waiting: 0 })).toBe(limits.placesAheadCountedMax + 1);
  });
});
