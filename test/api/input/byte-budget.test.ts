import { expect, test } from 'vitest';
import { createByteBudget } from '../../../src/api/input/byte-budget.ts';

test('so many bytes are given out, and again once they are back', () => {
  const budget = createByteBudget(100);
  const giveBack = budget.take(60);
  expect(budget.take(40)).toBeTypeOf('function');
  expect(() => budget.take(1)).toThrow(expect.objectContaining({ kind: 'overloaded' }));
  giveBack();
  expect(() => budget.take(61)).toThrow('overloaded');
  expect(budget.take(60)).toBeTypeOf('function');
});
