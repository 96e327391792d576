import { describe, expect, test } from 'vitest';
import { heard } from '../../src/domain/heard.ts';
import { nextStep } from '../../src/domain/next-step.ts';
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
