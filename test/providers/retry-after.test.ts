import { expect, test } from 'vitest';

import { parseRetryAfterMs } from '../../src/providers/retry-after.ts';

const now = Date.parse('Fri, 21 Nov 2025 10:00:00 GMT');

test.each([
  ['0', 0],
  ['7', 7_000],
  [' 30 ', 30_000],
  ['600', 600_000],
  ['86400', 600_000],
  ['999999999999', 600_000],
  ['Fri, 21 Nov 2025 10:00:30 GMT', 30_000],
  ['Fri, 21 Nov 2025 09:00:00 GMT', 0],
  ['Fri, 21 Nov 2035 10:00:00 GMT', 600_000],
])('%j waits %d ms', (value, expected) => {
  expect(parseRetryAfterMs(value, now)).toBe(expected);
});

test.each([undefined, '', 'soon', '-5', '1.5', '1e3', '0x10', '2026', 'Fri, 99 Foo 2025 10:00:30 GMT', 'tomorrow'])(
  '%j says nothing, or is seconds',
  (value) => {
    expect(parseRetryAfterMs(value, now)).toBe(value === '2026' ? 600_000 : undefined);
  },
);
