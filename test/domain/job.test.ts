import * as fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { isFinal, isJobId } from '../../src/domain/job.ts';

test('an id that we mint is an id', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (msecs, random) => {
        expect(isJobId(`video_${uuidv7({ msecs, random })}`)).toBe(true);
      },
    ),
  );
});

test.each([
  '',
  'video_',
  '0197e1a2-0000-7000-8000-000000000000',
  'video_0197e1a2-0000-4000-8000-000000000000',
  'video_0197e1a2-0000-7000-c000-000000000000',
  'video_0197E1A2-0000-7000-8000-000000000000',
  'video_0197e1a2-0000-7000-8000-000000000000\n',
  ' video_0197e1a2-0000-7000-8000-000000000000',
  'video_0197e1a2000070008000000000000000',
  'video_0197e1a2-0000-7000-8000-0000000000000',
])('%j is none', (text) => {
  expect(isJobId(text)).toBe(false);
});

test('no other text is an id', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(isJobId(text)).toBe(false);
    }),
  );
});

test.each([
  ['queued', false],
  ['in_progress', false],
  ['completed', true],
  ['failed', true],
  ['cancelled', true],
] as const)('%s is an end: %s', (phase, expected) => {
  expect(isFinal(phase)).toBe(expected);
});
