import { describe, expect, test } from 'vitest';
import {
  growAccount,
  hearAccount,
  type Hearing,
  learnedBy,
  limitsInForce,
} from '../../../src/domain/limits/account-limits.ts';

const now = 10_000_000;

function hearing(changes: Partial<Hearing> = {}): Hearing {
  return {
    now,
    outstandingMax: 100,
    perMinuteMax: 600,
    outstanding: 40,
    startedLately: 300,
    throttles: [],
    ...changes,
  };
}

const refusal = { grantedAt: now - 1_000, retryAfterMs: null };

describe('what is in force', () => {
  test('is what the operator configured, until the account has refused', () => {
    const expected = { outstandingMax: 100, perMinuteMax: 600, pausedUntil: 0 };
    expect(limitsInForce(hearAccount({}, hearing()))).toEqual(expected);
    expect(limitsInForce(hearAccount(null, hearing()))).toEqual(expected);
    expect(limitsInForce(hearAccount('nonsense', hearing()))).toEqual(expected);
  });

  test('is lowered in the dimension that was refused, and in no other', () => {
    const outstanding = hearAccount({}, hearing({ throttles: [{ ...refusal, dimension: 'outstanding' }] }));
    expect(limitsInForce(outstanding)).toMatchObject({ perMinuteMax: 600 });
    expect(limitsInForce(outstanding).outstandingMax).toBe(35);
    const rate = hearAccount({}, hearing({ throttles: [{ ...refusal, dimension: 'rate' }] }));
    expect(limitsInForce(rate)).toMatchObject({ outstandingMax: 100 });
    expect(limitsInForce(rate).perMinuteMax).toBe(210);
  });

  test('is not lowered to next to nothing by a lone refusal of a quiet account', () => {
    const quiet = hearing({ outstanding: 0, startedLately: 0, throttles: [{ ...refusal, dimension: 'rate' }] });
    expect(limitsInForce(hearAccount({}, quiet)).perMinuteMax).toBe(210);
  });

  test('is lowered once for a generation of refusals', () => {
    const throttle = { ...refusal, dimension: 'outstanding' } as const;
    const one = hearAccount({}, hearing({ throttles: [throttle] }));
    const many = hearAccount({}, hearing({ throttles: [throttle, { ...throttle, grantedAt: now - 500 }, throttle] }));
    expect(many).toEqual(one);
    const later = hearing({ now: now + 1_000, throttles: [{ ...throttle, grantedAt: now - 1 }] });
    expect(hearAccount(one, later).outstanding.working).toBe(one.outstanding.working);
  });

  test('is nothing while the account has asked us to stay away', () => {
    const throttles = [{ ...refusal, dimension: 'outstanding', retryAfterMs: 30_000 }] as const;
    expect(limitsInForce(hearAccount({}, hearing({ throttles }))).pausedUntil).toBe(now + 30_000);
  });

  test('survives the way through JSON', () => {
    const account = hearAccount({}, hearing({ throttles: [{ ...refusal, dimension: 'outstanding' }] }));
    expect(hearAccount(JSON.parse(JSON.stringify(account)), hearing())).toEqual(account);
  });
});

describe('limits that an operator has set for a while', () => {
  const refused = hearAccount({}, hearing({ throttles: [{ ...refusal, dimension: 'outstanding' }] }));
  const lower = { outstandingMax: 10, perMinuteMax: 60 };

  test('hold below what the account bears, and teach nothing of it', () => {
    const configured = learnedBy({ outstandingMax: 100, perMinuteMax: 600 }, lower);
    expect(configured).toEqual({ outstandingMax: 100, perMinuteMax: 600 });
    const account = hearAccount(refused, { ...hearing(), ...configured });
    expect(account).toEqual(refused);
    expect(limitsInForce(account, lower)).toMatchObject(lower);
    expect(limitsInForce(account)).toMatchObject({ outstandingMax: 35, perMinuteMax: 600 });
  });

  test('a rate that is used up below what was learned does not let that grow', () => {
    const slow = hearAccount({}, hearing({ throttles: [{ ...refusal, dimension: 'rate' }] }));
    const later = now + 3_600_000;
    const pass = { now: later, outstandingMax: 100, perMinuteMax: 600, outstanding: 0, nextStartAt: later + 500 };
    expect(growAccount(slow, pass).rate.working).toBeGreaterThan(slow.rate.working);
    expect(growAccount(slow, { ...pass, overrides: lower }).rate.working).toBe(slow.rate.working);
  });

  test('above the configured ones are the word that there is more, within which the account is asked anew', () => {
    const higher = { outstandingMax: 200, perMinuteMax: null };
    const configured = learnedBy({ outstandingMax: 100, perMinuteMax: 600 }, higher);
    const account = hearAccount(refused, { ...hearing(), ...configured });
    expect(limitsInForce(account, higher)).toMatchObject({ outstandingMax: 35, perMinuteMax: 600 });
    expect(account.outstanding.ceiling).toBeNull();
    // It is over: never more than the configured one again.
    const after = hearAccount({ ...account, outstanding: { ...account.outstanding, working: 180 } }, hearing());
    expect(limitsInForce(after).outstandingMax).toBe(100);
  });
});

test('a limit that is used up grows when it is time, and one that is not stays the same object', () => {
  const account = hearAccount({}, hearing({ throttles: [{ ...refusal, dimension: 'outstanding' }] }));
  const { working, growAt } = account.outstanding;
  const pass = { now: growAt, outstandingMax: 100, perMinuteMax: 600, nextStartAt: 0 };
  expect(growAccount(account, { ...pass, outstanding: working }).outstanding.working).toBeGreaterThan(working);
  expect(growAccount(account, { ...pass, now: growAt - 1, outstanding: working })).toBe(account);
});
