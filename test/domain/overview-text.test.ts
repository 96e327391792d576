import { describe, expect, test } from 'vitest';
import type { Overview, PoolOverview } from '../../src/domain/overview.ts';
import { overviewText, spanOf } from '../../src/domain/overview-text.ts';
import { limits } from '../../src/domain/limits/limits.ts';

const readAt = Date.parse('2026-11-21T12:00:00Z');
const pool: PoolOverview = {
  pool: 'fal/main',
  waiting: 0,
  oldestSince: null,
  live: 0,
  zombies: 0,
  limit: 10,
  configured: 10,
  breakers: [],
  pauses: [],
  isOverridden: false,
};
const overview: Overview = { readAt, pools: [pool], poolsLeftOut: 0, pausedTenants: [], stuck: [] };

describe('the overview', () => {
  test('says when it was read, and that nothing is stuck', () => {
    expect(overviewText(overview)).toContain('As of 2026-11-21 12:00:00 UTC');
    expect(overviewText(overview)).toContain('## Stuck jobs\nNone.');
    expect(overviewText(overview)).toContain('| fal/main | 0 | – | 0 / 10 | 0 | – | – |');
  });

  test('says which limit is in force, and by whom', () => {
    const lowered = { ...pool, live: 3, zombies: 1, limit: 4, isOverridden: true };
    expect(overviewText({ ...overview, pools: [lowered] })).toContain('| 4 / 4 of 10 (override) | 1 |');
  });

  test('finds each cause by a query, and says when a count is cut off', () => {
    const since = readAt - 7_500_000;
    const text = overviewText({
      ...overview,
      stuck: [
        { cause: 'workflow_task_failing', jobs: 1, oldestSince: since, isCapped: false },
        { cause: 'submit_unknown', jobs: 10_000, oldestSince: since, isCapped: true },
      ],
    });
    expect(text).toContain(`\`TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'\``);
    expect(text).toContain('| submit_unknown | 10000+ | 2 h 5 min |');
    expect(text).toContain(`\`StuckCause = 'submit_unknown' AND ExecutionStatus = 'Running'\``);
  });

  test('takes what an operator wrote for text, and never for Markdown', () => {
    const pauses = [{ subject: 'pool', drains: false, reason: '![x](https://evil.example) | <b>`' }];
    const text = overviewText({ ...overview, pools: [{ ...pool, pauses }] });
    expect(text).not.toMatch(/!\[|<b>|`\s*$/m);
  });

  test('fits what Temporal takes, with as many pools as it shows and much to say of each', () => {
    const busy: PoolOverview = {
      ...pool,
      pool: 'p'.repeat(60),
      waiting: 1_000_000,
      oldestSince: 0,
      breakers: Array.from({ length: 4 }, () => ({ target: 't'.repeat(40), health: 'failing' as const })),
      pauses: [{ subject: 'pool', drains: false, reason: 'r'.repeat(100) }],
    };
    const pools = Array.from({ length: limits.overviewPoolsMax }, () => busy);
    expect(overviewText({ ...overview, pools, poolsLeftOut: 7 }).length).toBeLessThanOrEqual(limits.overviewCharsMax);
  });
});

test.each([
  [0, '0 s'],
  [59_400, '59 s'],
  [61_000, '1 min'],
  [7_500_000, '2 h 5 min'],
  [200_000_000, '2 d 7 h'],
  [-5, '0 s'],
])('%i milliseconds are %s', (milliseconds, text) => {
  expect(spanOf(milliseconds)).toBe(text);
});
