import { expect, test } from 'vitest';
import { createSlots } from '../../src/simulator/slots.ts';

function setup(max: number) {
  const slots = createSlots(max);
  const begun: string[] = [];
  for (const id of ['a', 'b', 'c', 'd']) slots.take(id, () => begun.push(id));
  return { slots, begun };
}

test('those over the limit wait in their order', () => {
  const { slots, begun } = setup(1);
  expect(begun).toEqual(['a']);
  expect(['a', 'b', 'c', 'd'].map((id) => slots.positionOf(id))).toEqual([undefined, 0, 1, 2]);
  slots.release('a');
  expect(begun).toEqual(['a', 'b']);
});

test('whoever leaves the queue takes nobody’s slot', () => {
  const { slots, begun } = setup(2);
  slots.release('c');
  expect(begun).toEqual(['a', 'b']);
  slots.release('a');
  expect(begun).toEqual(['a', 'b', 'd']);
});
