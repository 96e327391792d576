import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { fail, ok, runChecks } from '../../../src/main/doctor/check.ts';
import { findClockSkew, judgeSkew } from '../../../src/main/doctor/clock.ts';

test('every check runs, whatever becomes of the others, and all are told in their order', async () => {
  const hanging = new AbortController();
  const results = await runChecks(
    [
      {
        name: 'hangs',
        run: async () => await delay(600_000, ok('never'), { signal: hanging.signal }),
        advice: 'Wake it.',
      },
      {
        name: 'breaks',
        run: async () => await Promise.reject(new Error('no route\nstack', { cause: new Error('ECONNREFUSED') })),
        advice: 'Mend it.',
      },
      { name: 'fails', run: async () => fail('It is wrong.', 'Correct it.'), advice: 'unused' },
      { name: 'works', run: async () => ok('It is right.'), advice: 'unused' },
    ],
    50,
  );
  hanging.abort();
  expect(results).toEqual([
    { name: 'hangs', verdict: 'fail', sentence: 'There was no answer within 0.05 s.', advice: 'Wake it.' },
    { name: 'breaks', verdict: 'fail', sentence: 'no route (ECONNREFUSED).', advice: 'Mend it.' },
    { name: 'fails', verdict: 'fail', sentence: 'It is wrong.', advice: 'Correct it.' },
    { name: 'works', verdict: 'ok', sentence: 'It is right.' },
  ]);
});

test.each([
  [0, 'ok', 'agree'],
  [-60_000, 'fail', 'behind'],
  [60_000, 'fail', 'ahead of'],
  [10_000, 'warn', 'ahead of'],
] as const)('a clock that differs by %i ms is %s', async (differenceMs, verdict, words) => {
  const skewMs = await findClockSkew(async () => Date.now() + differenceMs);
  expect(judgeSkew('Postgres', skewMs)).toMatchObject({ verdict, sentence: expect.stringContaining(words) });
});

test('an answer that took long is no difference of clocks', async () => {
  const skewMs = await findClockSkew(async () => {
    const noted = Date.now();
    await delay(200);
    return noted;
  });
  expect(Math.abs(skewMs)).toBeLessThan(100);
});
