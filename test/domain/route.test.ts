import { expect, test } from 'vitest';
import { runBudgetMs } from '../../src/domain/route.ts';
import { makeTarget } from './make.ts';

test.each([
  { longest: [60_000], budgetMs: 600_000 },
  { longest: [900_000], budgetMs: 960_000 },
  { longest: [900_000, 1_200_000], budgetMs: 2_160_000 },
  { longest: [], budgetMs: 600_000 },
])('targets of at most $longest ms may take $budgetMs ms together', ({ longest, budgetMs }) => {
  expect(runBudgetMs(longest.map((longestMs) => makeTarget({ longestMs })))).toBe(budgetMs);
});
