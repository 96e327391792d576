import { describe, expect, test } from 'vitest';
import { isOneLine } from '../../src/domain/one-line.ts';

describe('one line', () => {
  test.each(['x', ' a word ', 'für 日本 👩‍🚀', 'x'.repeat(500)])('%j is', (text) => {
    expect(isOneLine(text, 500)).toBe(true);
  });

  test.each(['', ' ', '\u00a0', 'two\nlines', 'a\ttab', 'x\n', '\u0000', '\u0085x', 'x'.repeat(501)])(
    '%j is not',
    (text) => {
      expect(isOneLine(text, 500)).toBe(false);
    },
  );

  test('is told in one reading, however long the text is', () => {
    const since = performance.now();
    for (const long of ['x'.repeat(1_000_000), ' '.repeat(1_000_000)])
      expect(isOneLine(`${long}\n`, 2_000_000)).toBe(false);
    expect(performance.now() - since).toBeLessThan(2_000);
  });
});
