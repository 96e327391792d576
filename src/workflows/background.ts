import { CancellationScope } from '@temporalio/workflow';
import type { JobId } from '../domain/job.ts';
import { type AttemptStory, type Fact, isLive, type Story, targetOf, type TicketStory } from '../domain/story.ts';
import { stopAttempt, storeAsset, submitAttempt, watchAttempt } from './activities.ts';

export interface BackgroundParts {
  readonly jobId: JobId;
  readonly tell: () => Story;
  readonly hear: (fact: Fact) => void;
}

/** What goes on while the story does: each tells what came of it as a fact. */
export interface Background {
  submit(attempt: AttemptStory): void;
  watch(attempt: AttemptStory): void;
  store(attempt: AttemptStory): void;
  /** Cuts off what a fact has made useless. */
  follow(fact: Fact): void;
  /** Cuts off everything, and stops at the provider what can be stopped there. */
  end(): Promise<void>;
}

export function createBackground({ jobId, tell, hear }: BackgroundParts): Background {
  const polls = new Map<number, CancellationScope>();
  const copies: CancellationScope[] = [];
  return {
    /** A callback may well arrive before the submit's own answer. */
    submit({ number: attempt, target, grant }) {
      hear({ kind: 'submitting', attempt });
      go(async () => {
        const answer = await submitAttempt({ jobId, attempt, target, grant }, placeOf(tell(), { attempt, target }));
        hear({ kind: 'submitted', attempt, answer });
      });
    },

    watch({ number: attempt, target }) {
      hear({ kind: 'watching', attempt });
      const scope = new CancellationScope({ cancellable: true });
      polls.set(attempt, scope);
      const summary = placeOf(tell(), { attempt, target });
      go(async () => {
        const report = await scope.run(() => watchAttempt({ jobId, attempt, target }, summary));
        if (report !== undefined) hear({ kind: 'reported', attempt, report });
      });
    },

    /** One at a time, beside what still runs of those that were given up: that may end well. A cancel does not wait for it. */
    store({ number: attempt, target }) {
      hear({ kind: 'storing', attempt });
      const scope = new CancellationScope({ cancellable: true });
      copies.push(scope);
      const summary = placeOf(tell(), { attempt, target });
      go(async () => {
        hear({ kind: 'stored', attempt, answer: await scope.run(() => storeAsset({ jobId, attempt }, summary)) });
      });
    },

    follow(fact) {
      if (fact.kind === 'reported') polls.get(fact.attempt)?.cancel();
      if (fact.kind === 'pollNow') for (const scope of polls.values()) scope.cancel();
    },

    async end() {
      for (const scope of [...polls.values(), ...copies]) scope.cancel();
      const losers = tell().attempts.filter((attempt) => isLive(attempt) && targetOf(tell(), attempt).stoppable);
      await Promise.all(
        losers.map(({ number: attempt, target }) =>
          stopAttempt({ jobId, attempt }, placeOf(tell(), { attempt, target })),
        ),
      );
    },
  };
}

/** An attempt and its target, as summaries have it. */
export function placeOf(story: Story, { attempt, target }: Pick<TicketStory, 'attempt' | 'target'>): string {
  return `attempt ${attempt} at ${targetOf(story, { target }).name}`;
}

/** What fails here fails the workflow task, loudly, until it is mended: expected failures are answers. */
function go(work: () => Promise<void>): void {
  void work();
}
