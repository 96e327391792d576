import { failureOf } from '../domain/failure.ts';
import { heard } from '../domain/heard.ts';
import type { Dimension } from '../domain/learned-limit.ts';
import { nextStep } from '../domain/next-step.ts';
import type { RouteTarget } from '../domain/route.ts';
import { type Fact, openStory, type Story } from '../domain/story.ts';

export interface Refusal {
  readonly target: RouteTarget;
  readonly now: number;
  readonly dimension: Dimension;
}

export interface AfterRefusal {
  readonly story: Story;
  /** Until it is in line again. Null: it gives up. */
  readonly waitMs: number | null;
}

/** What the workflow makes of a refusal for load. `before`: what it knew, null for its first attempt. */
export function afterRefusal(before: Story | null, { target, now, dimension }: Refusal): AfterRefusal {
  const opened = before ?? openStory({ route: [target] }, now);
  const attempt = opened.attempts.length + 1;
  const failure = failureOf('rate_limited', { limit: dimension });
  const facts: readonly Fact[] = [
    { kind: 'permit', attempt, target: 0, grant: '' },
    { kind: 'submitting', attempt },
    { kind: 'submitted', attempt, answer: { kind: 'refused', failure } },
  ];
  const story = facts.reduce((told, fact) => heard(told, fact, now), opened);
  const step = nextStep(story, now);
  return { story, waitMs: step.kind === 'queue' ? step.waitMs : null };
}
