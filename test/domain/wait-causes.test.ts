import { assert, constantFrom, integer, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import { refusals, stuckOf } from '../../src/domain/stuck.ts';
import { waitCauses, webhookAfterMs } from '../../src/domain/wait-causes.ts';

const snapshotOf = (since: number, refusal: (typeof refusals)[number] | null) => ({
  waiting: { since, target: 'vendor/model', refusal },
  attempts: [],
  webhook: null,
  taskFailingSince: null,
});

test('the table says of every wait what the function does, at every age', () => {
  const waits = record({
    refusal: constantFrom(null, ...refusals),
    ageMs: integer({ min: 0, max: 1_000_000 }),
    stuckAfterMs: integer({ min: 1_000, max: 900_000 }),
  });
  assert(
    property(waits, ({ refusal, ageMs, stuckAfterMs }) => {
      const now = 1_800_000_000_000;
      const rule = waitCauses({ stuckAfterMs }).find((one) => one.refusal === refusal);
      const told = rule !== undefined && ageMs >= rule.afterMs ? rule.cause : undefined;
      expect(told).toBe(stuckOf(snapshotOf(now - ageMs, refusal), { stuckAfterMs }, now)?.cause);
    }),
  );
});

test('a webhook that fails is told once it does so for the time that the function says', () => {
  for (const stuckAfterMs of [1_000, 60_000, 300_000]) {
    const afterMs = webhookAfterMs({ stuckAfterMs });
    const at = (now: number) =>
      stuckOf(
        { waiting: null, attempts: [], webhook: { since: 0, tries: 1, nextTryAt: null }, taskFailingSince: null },
        { stuckAfterMs },
        now,
      )?.cause;
    expect([at(afterMs - 1), at(afterMs)]).toEqual([undefined, 'webhook_failing']);
  }
});
