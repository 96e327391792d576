import { describe, expect, it } from 'vitest';
import { slotUseOf, startsOverTime, useOverTime } from '../../bench/slot-use.ts';
import type { VendorBooks } from '../../bench/vendor.ts';

/** Books of videos that began (1) and ended (-1) at these moments. */
function booksOf(changes: readonly (readonly [at: number, change: 1 | -1])[]): VendorBooks {
  let level = 0;
  const outstanding = changes.map(([, change]) => (level += change));
  return {
    kind: 'books',
    at: changes.map(([at]) => at),
    outstanding,
    change: changes.map(([, change]) => change),
    durationsMs: [],
  };
}

describe('slotUseOf', () => {
  it('integrates what is under way over the window, with what began before it', () => {
    const books = booksOf([
      [0, 1],
      [100, 1],
      [150, -1],
      [250, 1],
    ]);
    // One until 100, two until 150, one until 200.
    expect(slotUseOf(books, { from: 50, to: 200, slots: 2 })).toMatchObject({
      share: (50 + 100 + 50) / 300,
      outstandingMax: 2,
      starts: 1,
      violations: 0,
    });
  });

  it('says how long a slot stands empty for each video that begins', () => {
    const books = booksOf([
      [0, 1],
      [900, -1],
      [1_000, 1],
      [1_900, -1],
    ]);
    expect(slotUseOf(books, { from: 0, to: 2_000, slots: 1 })).toMatchObject({ share: 0.9, starts: 2, gapMs: 100 });
  });

  it('counts every start above what is permitted, and no end that is still above it', () => {
    const books = booksOf([
      [10, 1],
      [20, 1],
      [30, 1],
      [40, -1],
      [50, 1],
    ]);
    expect(slotUseOf(books, { from: 0, to: 100, slots: 1 }).violations).toBe(3);
    expect(slotUseOf(books, { from: 0, to: 100, slots: 3 }).violations).toBe(0);
  });

  it('takes nothing from before the window or after it', () => {
    const books = booksOf([
      [0, 1],
      [10, -1],
      [500, 1],
    ]);
    expect(slotUseOf(books, { from: 100, to: 400, slots: 1 })).toEqual({
      share: 0,
      violations: 0,
      outstandingMax: 0,
      starts: 0,
      gapMs: 0,
    });
  });
});

describe('useOverTime', () => {
  it('gives each whole bucket its own share', () => {
    const books = booksOf([
      [0, 1],
      [1_500, -1],
    ]);
    expect(useOverTime(books, { from: 0, to: 2_900, slots: 1, bucketMs: 1_000 })).toEqual([
      [0, 1],
      [1, 0.5],
    ]);
  });
});

describe('startsOverTime', () => {
  it('counts beginnings, however many end meanwhile', () => {
    const books = booksOf([
      [0, 1],
      [10, -1],
      [20, 1],
      [1_500, -1],
    ]);
    const buckets = { from: 0, to: 2_000, slots: 1, bucketMs: 1_000, perMinute: 120 };
    expect(startsOverTime(books, buckets)).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });
});
