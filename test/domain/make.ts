import { failureOf } from '../../src/domain/failure.ts';
import { heard } from '../../src/domain/heard.ts';
import type { Route, RouteTarget } from '../../src/domain/route.ts';
import { type AttemptReport, type Fact, openStory, type Story, type SubmitAnswer } from '../../src/domain/story.ts';

/** A moment to begin with, so that a time and a duration can't be taken for each other. */
export const start = 1_000_000;

export function makeTarget(changes: Partial<RouteTarget> = {}): RouteTarget {
  return {
    name: 'vendor/one',
    provider: 'vendor',
    pool: 'vendor',
    vendorModel: 'vendor-one',
    typicalMs: 60_000,
    longestMs: 900_000,
    patienceMs: 120_000,
    unknownGraceMs: 120_000,
    unknownPolicy: 'fail',
    callbacks: true,
    stoppable: false,
    priceUsdMicros: 500_000,
    ...changes,
  };
}

export const oneTarget: Route = [makeTarget()];
export const twoTargets: Route = [makeTarget(), makeTarget({ name: 'vendor/two', vendorModel: 'vendor-two' })];
export const threeTargets: Route = [...twoTargets, makeTarget({ name: 'vendor/three', vendorModel: 'vendor-three' })];

export type Told = readonly [fact: Fact, at?: number];

/** A story that has heard these facts, each at its moment, by default at the start. */
export function storyOf(route: Route, ...facts: readonly Told[]): Story {
  return facts.reduce((story, [fact, at = start]) => heard(story, fact, at), openStory({ route }, start));
}

export const permit = (attempt = 1, target = attempt - 1): Fact => ({
  kind: 'permit',
  attempt,
  target,
  grant: `g${attempt}`,
});
export const submitting = (attempt = 1): Fact => ({ kind: 'submitting', attempt });
export const submitted = (attempt: number, kind: Exclude<SubmitAnswer['kind'], 'refused'>): Fact => ({
  kind: 'submitted',
  attempt,
  answer: { kind },
});
export const refused = (attempt: number, ...failure: Parameters<typeof failureOf>): Fact => ({
  kind: 'submitted',
  attempt,
  answer: { kind: 'refused', failure: failureOf(...failure) },
});
export const reported = (attempt: number, report: AttemptReport): Fact => ({ kind: 'reported', attempt, report });
export const finished = (attempt = 1): Fact => reported(attempt, { outcome: 'finished' });
export const storing = (attempt = 1): Fact => ({ kind: 'storing', attempt });
export const stored = (attempt = 1): Fact => ({ kind: 'stored', attempt, answer: { kind: 'stored' } });
export const storeFailed = (attempt: number, ...failure: Parameters<typeof failureOf>): Fact => ({
  kind: 'stored',
  attempt,
  answer: { kind: 'failed', failure: failureOf(...failure) },
});
export const failed = (attempt: number, ...failure: Parameters<typeof failureOf>): Fact =>
  reported(attempt, { outcome: 'failed', failure: failureOf(...failure) });

/** Attempt `attempt` was permitted, sent and accepted, all at `at`. */
export const live = (attempt = 1, { at = start, target = attempt - 1 } = {}): readonly Told[] => [
  [permit(attempt, target), at],
  [submitting(attempt), at],
  [submitted(attempt, 'accepted'), at],
];

/** The video of attempt `attempt` is being copied. */
export const copying = (attempt = 1): readonly Told[] => [[finished(attempt)], [storing(attempt)]];

/** The video of attempt `attempt` is ours. */
export const kept = (attempt = 1): readonly Told[] => [...copying(attempt), [stored(attempt)]];
