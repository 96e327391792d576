import { describe, expect, test } from 'vitest';
import { heard } from '../../src/domain/heard.ts';
import { nextStep } from '../../src/domain/next-step.ts';
import { type Fact, openStory } from '../../src/domain/story.ts';
import { snapshotOf } from '../../src/domain/story-snapshot.ts';
import { failed, live, permit, refused, start, storyOf, submitting, threeTargets, twoTargets } from './make.ts';

/** A ticket may be moved while it waits: its permit then comes for another target than was asked for. */
describe('a permit for another target than was asked for', () => {
  test('is sent there, also the very first', () => {
    const story = storyOf(twoTargets, [permit(1, 1)]);
    expect(story.ticket).toBeNull();
    expect(nextStep(story, start)).toMatchObject({ kind: 'submit', attempt: { number: 1, target: 1 } });
  });

  test('takes the place in line of what was asked for', () => {
    const asked = { attempt: 2, target: 1, kind: 'retry' } as const;
    const story = storyOf(
      threeTargets,
      ...live(1),
      [failed(1, 'provider_failed', { retry: 'elsewhere' })],
      [{ kind: 'ticket', ticket: asked, answer: 'queued' }],
      [permit(2, 2)],
    );
    expect(story.ticket).toBeNull();
    expect(nextStep(story, start)).toMatchObject({ kind: 'submit', attempt: { number: 2, target: 2 } });
  });

  test('and for an overlap, beside which nobody asks again', () => {
    const overlapAt = start + 1_000_000;
    const story = storyOf(threeTargets, ...live(1));
    const asked = { attempt: 2, target: 1, kind: 'overlap' } as const;
    const moved = [{ kind: 'ticket', ticket: asked, answer: 'queued' } as const, permit(2, 2), submitting(2)].reduce(
      (told, fact) => heard(told, fact, overlapAt),
      story,
    );
    expect(moved.attempts.map(({ target }) => target)).toEqual([0, 2]);
    expect(nextStep(moved, overlapAt)).not.toMatchObject({ kind: 'queue' });
  });
});

describe('news that a ticket was sent on', () => {
  const sentOn = (attempt: number, target: number): Fact => ({ kind: 'line', refusal: null, to: { attempt, target } });
  const refusedAndWaiting = storyOf(
    twoTargets,
    ...live(),
    [failed(1, 'rate_limited')],
    [{ kind: 'ticket', ticket: { attempt: 2, target: 0, kind: 'retry' }, answer: 'queued' }],
  );

  test('has it shown where it waits, and what was said of the line that it left is not said of this one', () => {
    const told = heard(refusedAndWaiting, { kind: 'line', refusal: 'auth' }, start);
    expect(snapshotOf(told).waiting).toMatchObject({ target: 'vendor/one', refusal: 'rate_limited' });
    const story = heard(told, sentOn(2, 1), start + 5);
    expect(snapshotOf(story).waiting).toEqual({ since: start, target: 'vendor/two', refusal: null });
    expect(nextStep(story, start + 5)).toMatchObject({ kind: 'wait' });
  });

  test('that its permit has overtaken changes nothing, nor where another one waits by now', () => {
    const granted = heard(refusedAndWaiting, permit(2, 1), start);
    expect(heard(granted, sentOn(2, 1), start)).toEqual(granted);
    expect(heard(refusedAndWaiting, sentOn(1, 1), start)).toEqual(refusedAndWaiting);
  });

  test('of a job that is shown after that comes with its start', () => {
    const story = openStory({ route: twoTargets, waitingSince: start, ticketTarget: 1 }, start);
    expect(snapshotOf(story).waiting).toEqual({ since: start, target: 'vendor/two', refusal: null });
  });
});

describe('the target that a ticket was moved away from', () => {
  test('was not tried, so it is the next to be asked for', () => {
    const story = storyOf(
      twoTargets,
      [permit(1, 1)],
      [submitting()],
      [refused(1, 'provider_failed', { retry: 'elsewhere' })],
    );
    expect(nextStep(story, start)).toMatchObject({
      kind: 'queue',
      ticket: { attempt: 2, target: 0, kind: 'retry' },
      waitMs: 0,
    });
  });

  test('is not asked for while another try of the same is allowed', () => {
    const story = storyOf(twoTargets, [permit(1, 1)], [submitting()], [refused(1, 'unreachable')]);
    expect(nextStep(story, start)).toMatchObject({ kind: 'queue', ticket: { target: 1 } });
  });

  test('and once all were tried the job has failed', () => {
    const elsewhere = { retry: 'elsewhere' } as const;
    const story = storyOf(
      twoTargets,
      ...live(1, { target: 1 }),
      [failed(1, 'provider_failed', elsewhere)],
      ...live(2, { target: 0 }),
      [failed(2, 'provider_failed', elsewhere)],
    );
    expect(nextStep(story, start)).toMatchObject({ kind: 'settle', verdict: { phase: 'failed' } });
  });
});
