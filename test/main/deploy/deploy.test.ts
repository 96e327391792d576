import { expect, test } from 'vitest';
import { deploy } from '../../../src/main/deploy/deploy.ts';

test.each([
  { typed: ['roll-out', 'one', 'two'], says: 'one word too many: two' },
  { typed: ['set-current', 'one', 'two', 'three'], says: 'one word too many: two three' },
  { typed: ['retire', 'one'], says: 'one word too many: one' },
  { typed: ['status', 'one'], says: 'one word too many: one' },
  { typed: ['roll-out'], says: 'Name a build' },
  { typed: ['roll-out', 'a build'], says: 'Name a build' },
  { typed: ['roll-back', 'one'], says: 'no such command: roll-back' },
])('$typed is refused before anybody is asked', async ({ typed, says }) => {
  const noted: string[] = [];
  expect(await deploy(typed, { say: (line) => noted.push(line), note: (line) => noted.push(line) })).toBe(2);
  expect(noted.join('\n')).toContain(says);
});
