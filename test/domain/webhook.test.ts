import { describe, expect, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { afterTry, busyDelayMs, isOver, webhookDelaysMs } from '../../src/domain/webhook.ts';

const answered = (status: number, retryAfterMs?: number) =>
  ({ kind: 'answered', status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }) as const;
const silent = { kind: 'no_answer', code: 'timeout' } as const;

test('the schedule is the specification’s: ten tries in 75 hours and a half', () => {
  expect(webhookDelaysMs).toHaveLength(limits.webhookTriesMax);
  const hours = webhookDelaysMs.reduce((sum, delay) => sum + delay, 0) / 3_600_000;
  expect(hours).toBeCloseTo(75.585, 2);
});

describe('after a try', () => {
  test.each([200, 201, 202, 204, 299])('%i is a delivery', (status) => {
    expect(afterTry(answered(status), { tries: 1, random: 0.5 })).toEqual({ outcome: 'delivered' });
  });

  test.each([100, 199, 300, 301, 308, 400, 401, 404, 409, 500, 502])('%i is not', (status) => {
    expect(afterTry(answered(status), { tries: 1, random: 0.5 })).toMatchObject({
      outcome: 'again',
      delayMs: expect.any(Number),
    });
  });

  test('410 is the end of it all', () => {
    expect(afterTry(answered(410), { tries: 1, random: 0.5 })).toEqual({ outcome: 'gone' });
  });

  test('the delays grow, with a jitter of a fifth, and the tenth failure is the last', () => {
    for (let tries = 1; tries < limits.webhookTriesMax; tries += 1) {
      const delay = webhookDelaysMs[tries] ?? 0;
      expect(afterTry(silent, { tries, random: 0 })).toEqual({ outcome: 'again', delayMs: delay * 0.8, pauseMs: 0 });
      const late = afterTry(silent, { tries, random: 1 });
      expect(late.outcome === 'again' && late.delayMs).toBeCloseTo(delay * 1.2);
    }
    expect(afterTry(silent, { tries: limits.webhookTriesMax, random: 0.5 })).toEqual({
      outcome: 'exhausted',
      pauseMs: 0,
    });
  });

  test.each([429, 503])('Retry-After of a %i is obeyed, within a day, and holds for the whole receiver', (status) => {
    const hour = 3_600_000;
    const asked = afterTry(answered(status, hour), { tries: 1, random: 0.5 });
    expect(asked).toEqual({ outcome: 'again', delayMs: hour, pauseMs: hour });
    const year = afterTry(answered(status, 365 * 24 * hour), { tries: 1, random: 0.5 });
    expect(year).toMatchObject({ pauseMs: limits.webhookRetryAfterMsMax });
    // A short one does not shorten the schedule.
    expect(afterTry(answered(status, 0), { tries: 3, random: 0.5 })).toMatchObject({ delayMs: webhookDelaysMs[3] });
  });

  test('who says that it is too much for it, and not how long, is left alone for a while', () => {
    for (const status of [429, 502, 503, 504])
      expect(afterTry(answered(status), { tries: 1, random: 0.5 })).toMatchObject({ pauseMs: limits.webhookPauseMs });
    expect(afterTry(answered(500, 60_000), { tries: 1, random: 0.5 })).toMatchObject({ pauseMs: 0 });
  });
});

test('who waits for room asks less and less often', () => {
  const delays = [0, 1, 5, 100].map((times) => busyDelayMs({ times, random: 1 }));
  expect(delays).toEqual([5_000, 10_000, 160_000, limits.webhookBusyDelayMsMax]);
});

test('ends are ends', () => {
  expect((['pending', 'retrying', 'delivered', 'failed', 'dropped'] as const).filter(isOver)).toEqual([
    'delivered',
    'failed',
    'dropped',
  ]);
});
