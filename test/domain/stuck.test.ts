import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AttemptSnapshot,
  type JobSnapshot,
  stuckCauses,
  stuckNextAt,
  stuckOf,
  type WaitingSnapshot,
} from '../../src/domain/stuck.ts';

const settings = { stuckAfterMs: 300_000 };
const nothing: JobSnapshot = { waiting: null, attempts: [], webhook: null, taskFailingSince: null };
const start = 1_000_000;

const waits = (changes: Partial<WaitingSnapshot> = {}): JobSnapshot => ({
  ...nothing,
  waiting: { since: start, target: 'vendor/one', refusal: null, ...changes },
});
const has = (...attempts: readonly Partial<AttemptSnapshot>[]): JobSnapshot => ({
  ...nothing,
  attempts: attempts.map((changes, index) => ({
    attempt: index + 1,
    target: 'vendor/one',
    provider: 'vendor',
    state: 'live',
    since: start,
    checkAt: start + 90_000,
    patienceEndsAt: start + 120_000,
    callbacks: true,
    ...changes,
  })),
});
const causeAt = (snapshot: JobSnapshot, afterMs: number) => stuckOf(snapshot, settings, start + afterMs)?.cause;

describe('one that waits', () => {
  test.each([
    { refusal: null, afterMs: 299_999, cause: undefined },
    { refusal: null, afterMs: 300_000, cause: 'waiting_capacity' },
    { refusal: 'no_credit', afterMs: 59_999, cause: undefined },
    { refusal: 'no_credit', afterMs: 60_000, cause: 'no_credit' },
    { refusal: 'auth', afterMs: 60_000, cause: 'provider_refusing' },
    { refusal: 'rate_limited', afterMs: 60_000, cause: 'provider_refusing' },
    { refusal: 'unreachable', afterMs: 60_000, cause: 'provider_refusing' },
    { refusal: 'provider_failed', afterMs: 60_000, cause: 'provider_refusing' },
    { refusal: 'timed_out', afterMs: 60_000, cause: undefined },
    { refusal: 'timed_out', afterMs: 300_000, cause: 'waiting_capacity' },
  ] as const)('where the provider says $refusal, after $afterMs ms: $cause', ({ refusal, afterMs, cause }) => {
    expect(causeAt(waits({ refusal }), afterMs)).toBe(cause);
  });

  test('for a second attempt, beside a live one, does not count as waiting', () => {
    const both = { ...waits({ refusal: 'no_credit' }), attempts: has({}).attempts };
    expect(causeAt(both, 70_000)).toBeUndefined();
  });
});

describe('one that was sent', () => {
  test.each([
    { what: { state: 'unknown' }, afterMs: 60_000, cause: 'submit_unknown' },
    { what: { state: 'keeping' }, afterMs: 60_000, cause: 'storing_asset' },
    { what: {}, afterMs: 149_999, cause: undefined },
    { what: {}, afterMs: 150_000, cause: 'waiting_callback_overdue' },
    { what: {}, afterMs: 180_000, cause: 'polling_provider_slow' },
    { what: { callbacks: false }, afterMs: 179_999, cause: undefined },
    { what: { callbacks: false }, afterMs: 180_000, cause: 'polling_provider_slow' },
  ] as const)('as $what, after $afterMs ms: $cause', ({ what, afterMs, cause }) => {
    expect(causeAt(has(what), afterMs)).toBe(cause);
  });

  test('names the attempt that it is about, and since when', () => {
    expect(stuckOf(has({}, { state: 'unknown' }), settings, start + 60_000)).toEqual({
      cause: 'submit_unknown',
      since: start,
      attempt: 2,
    });
  });
});

test('what costs a person`s sleep comes first: a failing workflow hides everything else', () => {
  const snapshot = { ...has({ state: 'unknown' }), taskFailingSince: start + 60_000 };
  expect(causeAt(snapshot, 59_999)).toBeUndefined();
  expect(causeAt(snapshot, 60_000)).toBe('workflow_task_failing');
});

test('a webhook that fails makes a settled job stuck too', () => {
  const snapshot = { ...nothing, webhook: { since: start, tries: 2, nextTryAt: null } };
  expect(causeAt(snapshot, 59_999)).toBeUndefined();
  expect(causeAt(snapshot, 60_000)).toBe('webhook_failing');
});

test('a job of which nothing is known is not stuck, and never will be by itself', () => {
  expect(stuckOf(nothing, settings, start + 1e9)).toBeUndefined();
  expect(stuckNextAt(nothing, settings, start)).toBeNull();
});

const moment = fc.integer({ min: 0, max: 2_000_000 });
const anyAttempt: fc.Arbitrary<AttemptSnapshot> = fc.record({
  attempt: fc.integer({ min: 1, max: 40 }),
  target: fc.constant('vendor/one'),
  provider: fc.constant('vendor'),
  state: fc.constantFrom('live', 'unknown', 'keeping'),
  since: moment,
  checkAt: moment,
  patienceEndsAt: fc.oneof(moment, fc.constant(Infinity)),
  callbacks: fc.boolean(),
});
const anySnapshot: fc.Arbitrary<JobSnapshot> = fc.record({
  waiting: fc.option(
    fc.record({
      since: moment,
      target: fc.constant('vendor/one'),
      refusal: fc.constantFrom(null, 'no_credit', 'auth', 'timed_out'),
    }),
  ),
  attempts: fc.array(anyAttempt, { maxLength: 4 }),
  webhook: fc.option(fc.record({ since: moment, tries: fc.nat(9), nextTryAt: fc.option(moment) })),
  taskFailingSince: fc.option(moment),
});
const anySettings = fc.record({ stuckAfterMs: fc.integer({ min: 1, max: 600_000 }) });

test('whatever the snapshot: between two of the moments that are foretold the cause stays as it is', () => {
  fc.assert(
    fc.property(anySnapshot, anySettings, fc.tuple(moment, moment), (snapshot, some, [now, laterMs]) => {
      const nextAt = stuckNextAt(snapshot, some, now) ?? Infinity;
      expect(nextAt).toBeGreaterThan(now);
      const later = Math.min(now + laterMs, nextAt - 1);
      expect(stuckOf(snapshot, some, later)).toEqual(stuckOf(snapshot, some, now));
    }),
  );
});

test('whatever the snapshot: the cause is of the set, and was not there before it began', () => {
  fc.assert(
    fc.property(anySnapshot, anySettings, moment, (snapshot, some, now) => {
      const stuck = stuckOf(snapshot, some, now);
      if (stuck === undefined) return;
      expect(stuckCauses).toContain(stuck.cause);
      expect(stuck.since).toBeLessThanOrEqual(now);
    }),
  );
});
