import { describe, expect, test } from 'vitest';
import type { NoteAnswer, NoteOrder, SubmitOrder } from '../../src/contracts/activities.ts';
import { failureOf } from '../../src/domain/failure.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import type { Told } from '../../src/operations/read-history.ts';
import { attemptsUsed, rememberJob, wasSent } from '../../src/operations/remembered-job.ts';

const target: RouteTarget = {
  name: 'vendor/model',
  provider: 'vendor',
  pool: 'vendor',
  vendorModel: 'maker/model',
  typicalMs: 1_000,
  longestMs: 60_000,
  patienceMs: 2_000,
  unknownGraceMs: 1_000,
  unknownPolicy: 'fail',
  callbacks: true,
  stoppable: false,
  priceUsdMicros: 500_000,
};
const jobId = 'video_01890a5d-ac96-774b-bcce-b302099a8057';
const order = (attempt: number): SubmitOrder => ({ jobId, attempt, target: 0, grant: String(10 + attempt) });
const begun: Told = {
  kind: 'begun',
  at: 0,
  input: { jobId, route: [target, target], permit: { attempt: 1, target: 0, grant: '11' } },
};
const scheduled = (attempt: number, activity = 'submitAttempt', isIdle = false): Told => ({
  kind: 'scheduled',
  at: attempt * 100,
  activity,
  order: order(attempt),
  isIdle,
});
const accepted = (attempt: number): Told => ({
  kind: 'done',
  at: attempt * 100 + 1,
  activity: 'submitAttempt',
  attempt,
  result: { kind: 'accepted', operation: `op-${attempt}` },
});
const refused: Told = {
  kind: 'done',
  at: 110,
  activity: 'submitAttempt',
  attempt: 1,
  result: { kind: 'refused', failure: failureOf('rate_limited') },
};
const queued = (attempt: number, kind: 'retry' | 'overlap' = 'retry'): Told => ({
  kind: 'done',
  at: 400,
  activity: 'queueAttempt',
  order: { jobId, ticket: { attempt, target: 1, kind }, waitMs: 0 },
  result: 'queued',
});
const noted = (order: Partial<NoteOrder>, answer: Partial<NoteAnswer> = {}): Told => ({
  kind: 'done',
  at: 390,
  activity: 'noteRepair',
  order: { jobId, request: `${jobId}:wished`, run: 'run-1', repair: 'pollNow', by: 'ann', reason: 'a test', ...order },
  result: { verdict: 'noted', byMs: 0, endsAt: 1_000_000, ...answer },
});
const phasesOf = (told: readonly Told[]): readonly string[] =>
  rememberJob(told)?.story.attempts.map(({ number, phase }) => `${number} ${phase}`) ?? [];

describe('what a workflow remembers', () => {
  test('of a POST that was answered: that it is live, since when, and what the vendor calls it', () => {
    const job = rememberJob([begun, scheduled(1), accepted(1)]);
    expect(job?.story.attempts).toMatchObject([{ number: 1, phase: 'live', grant: '11' }]);
    expect(job?.operations).toEqual(new Map([[1, 'op-1']]));
    expect(job?.submittedAt).toEqual(new Map([[1, 100]]));
  });

  test('of a POST whose activity somebody had begun: that it may have been sent', () => {
    const job = rememberJob([begun, scheduled(1)]);
    expect(job?.story.attempts.map(wasSent)).toEqual([true]);
  });

  test('of a POST that no worker had taken up: that it was not', () => {
    const job = rememberJob([begun, scheduled(1, 'submitAttempt', true)]);
    expect(job?.story.attempts).toMatchObject([{ number: 1, phase: 'granted' }]);
    expect(job?.submittedAt.size).toBe(0);
    expect(job?.story.attempts.map(wasSent)).toEqual([false]);
  });

  test('of a permit that was lost: nothing was sent, and its number is used', () => {
    const lost: Told = { kind: 'done', at: 2, activity: 'submitAttempt', attempt: 1, result: { kind: 'permit_lost' } };
    const job = rememberJob([begun, scheduled(1), lost]);
    expect(job?.story.attempts.map(wasSent)).toEqual([false]);
    expect(job && attemptsUsed(job)).toBe(1);
  });

  test('of a refusal: that it is one, and the attempt that came after it', () => {
    const failure = failureOf('rate_limited');
    const refused: Told = {
      kind: 'done',
      at: 2,
      activity: 'submitAttempt',
      attempt: 1,
      result: { kind: 'refused', failure },
    };
    const permit: Told = { kind: 'signal', at: 3, name: 'permit', mail: { attempt: 2, target: 1, grant: '12' } };
    const told = [begun, scheduled(1), refused, permit];
    expect(phasesOf(told)).toEqual(['1 failed', '2 granted']);
    expect(rememberJob(told)?.refused).toEqual(new Set([1]));
  });

  test('of a callback and of the copy: up to the verdict', () => {
    const told: Told[] = [begun, scheduled(1), accepted(1)];
    const callback: Told = { kind: 'signal', at: 300, name: 'callback', mail: { attempt: 1, outcome: 'finished' } };
    expect(phasesOf([...told, callback])).toEqual(['1 finished']);
    const storing = scheduled(1, 'storeAsset');
    expect(phasesOf([...told, callback, storing])).toEqual(['1 storing']);
    const stored: Told = { kind: 'done', at: 400, activity: 'storeAsset', attempt: 1, result: { kind: 'stored' } };
    const ended: Told = { kind: 'completed', at: 500, result: { phase: 'completed', attempt: 1 } };
    const job = rememberJob([...told, callback, storing, stored, ended]);
    expect(job).toMatchObject({
      verdict: { phase: 'completed', attempt: 1 },
      story: { attempts: [{ phase: 'stored' }] },
    });
  });

  test('of a copy that failed: that the number of a ticket it withdrew may be used', () => {
    const report: Told = { kind: 'signal', at: 300, name: 'callback', mail: { attempt: 1, outcome: 'finished' } };
    const failed: Told = {
      kind: 'done',
      at: 400,
      activity: 'storeAsset',
      attempt: 1,
      result: { kind: 'failed', failure: failureOf('output_expired') },
    };
    const job = rememberJob([begun, scheduled(1), accepted(1), report, scheduled(1, 'storeAsset'), failed]);
    expect(job).toMatchObject({ copies: [1], accepted: new Set([1]), story: { attempts: [{ phase: 'failed' }] } });
    // Attempt 2 waited beside it, of which no history tells: its workflow takes no permit but the third.
    expect(job && attemptsUsed(job)).toBe(2);
  });

  test('of a poll that found it failed: why', () => {
    const failure = failureOf('provider_failed');
    const report: Told = {
      kind: 'done',
      at: 300,
      activity: 'watchAttempt',
      attempt: 1,
      result: { outcome: 'failed', failure },
    };
    const job = rememberJob([begun, scheduled(1), accepted(1), scheduled(1, 'watchAttempt'), report]);
    expect(job?.story.attempts).toMatchObject([{ phase: 'failed', failure: { code: 'provider_failed' } }]);
    expect(job?.refused.size).toBe(0);
  });

  test('of a place in line: that it waits there, and not any more once it has its permit', () => {
    const told = [begun, scheduled(1), refused, queued(2)];
    expect(rememberJob(told)?.story.ticket).toEqual({ attempt: 2, target: 1, kind: 'retry' });
    const permit: Told = { kind: 'signal', at: 500, name: 'permit', mail: { attempt: 2, target: 1, grant: '12' } };
    expect(rememberJob([...told, permit])?.story.ticket).toBeNull();
  });

  test('of a place in line that was sent on: where it waits now', () => {
    const hint: Told = { kind: 'signal', at: 500, name: 'hint', mail: { attempt: 2, refusal: null, target: 0 } };
    const told = [begun, scheduled(1), refused, queued(2), hint];
    expect(rememberJob(told)?.story.ticket).toEqual({ attempt: 2, target: 0, kind: 'retry' });
  });

  test('a history that does not begin with its start is none that we can read', () => {
    expect(rememberJob([])).toBeUndefined();
    expect(rememberJob([scheduled(1)])).toBeUndefined();
  });
});

describe('what it remembers of operators', () => {
  test('is the time that they gave it', () => {
    const before = rememberJob([begun, scheduled(1), accepted(1)])?.story.runDeadlineAt ?? 0;
    const extension = noted({ repair: 'extendDeadline', seconds: 60 }, { byMs: 60_000 });
    const job = rememberJob([begun, scheduled(1), accepted(1), extension]);
    expect(job?.story.runDeadlineAt).toBe(before + 60_000);
    expect(job?.repairs).toMatchObject([{ repair: 'extendDeadline', seconds: 60, by: 'ann' }]);
  });

  test('is that a copy was given up for another attempt, which waits', () => {
    const callback: Told = { kind: 'signal', at: 300, name: 'callback', mail: { attempt: 1, outcome: 'finished' } };
    const wish = noted({ repair: 'switchTarget', target: 1, force: true, copies: [1] });
    const told = [begun, scheduled(1), accepted(1), callback, scheduled(1, 'storeAsset'), wish];
    expect(phasesOf(told)).toEqual(['1 failed']);
    expect(rememberJob(told)?.story.wish).toEqual({ id: 'wished', target: 1, isForced: true });
    const { story } = rememberJob([...told, queued(2)]) ?? {};
    expect(story?.wish?.answer).toBe('queued');
    expect(story?.ticket).toMatchObject({ attempt: 2, target: 1 });
  });

  test('is not what the note of it refused', () => {
    const wish = noted({ repair: 'switchTarget', target: 1, force: true }, { verdict: 'too_dear' });
    const job = rememberJob([begun, scheduled(1), accepted(1), wish]);
    expect(job?.story.wish).toBeUndefined();
    expect(job?.repairs).toEqual([]);
    const late = noted({ repair: 'giveUp' }, { verdict: 'job_final' });
    expect(rememberJob([begun, scheduled(1), accepted(1), late])?.story.givenUp).toBeUndefined();
  });

  test('is that they ended it, and what waited they sent elsewhere', () => {
    expect(rememberJob([begun, noted({ repair: 'giveUp' })])?.story.givenUp).toBe(true);
    const moved: Told = {
      kind: 'done',
      at: 400,
      activity: 'moveTicket',
      order: { jobId, ticket: { attempt: 2, target: 0, kind: 'retry' } },
      result: 'moved',
    };
    const wish = noted({ repair: 'switchTarget', target: 0 });
    const job = rememberJob([begun, scheduled(1), refused, queued(2), wish, moved]);
    expect(job?.story).toMatchObject({ ticket: { attempt: 2, target: 0 }, wish: { answer: 'moved' } });
  });
});
