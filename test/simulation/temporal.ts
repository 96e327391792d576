import type { GenerateVideoInput } from '../../src/contracts/generate-video.ts';
import { heard } from '../../src/domain/heard.ts';
import { nextStep, type Verdict } from '../../src/domain/next-step.ts';
import { type AttemptStory, type Fact, isLive, openStory, type Story, targetOf } from '../../src/domain/story.ts';
import type { Activities } from './activities.ts';
import type { Clockwork } from './clockwork.ts';

/** Temporal as the rest of the system sees it: workflows by id, one run at a time, signals, and what becomes of them. */
export interface Temporal {
  /** Whether there was none of that id, open or closed. */
  start(input: GenerateVideoInput): boolean;
  /** Whether there is an open one. */
  signal(job: string, fact: Fact): boolean;
  describe(job: string): 'running' | 'closed' | undefined;
  /** Begins anew from some point of the past, as an operator would: what came from outside since then comes again. */
  reset(job: string): void;
  /** It was never there. */
  lose(job: string): void;
  readonly isQuiet: () => boolean;
}

interface Run {
  readonly input: GenerateVideoInput;
  /** Counts resets: what was under way before one reports to nobody. */
  generation: number;
  story: Story;
  history: { readonly fact: Fact; readonly at: number }[];
  readonly openedAt: number;
  /** A local activity is under way: facts are heard, and the loop goes on after it. */
  isBusy: boolean;
  isClosed: boolean;
  isDue: boolean;
  timerAt: number | null;
  readonly polls: Map<number, { isCancelled: boolean }>;
}

/** generateVideo as an event loop: the same opening, the same facts, the same next step. */
export function createTemporal(clockwork: Clockwork, activities: Activities): Temporal {
  const runs = new Map<string, Run>();
  const { now, random, after, whenUp } = clockwork;

  const hear = (run: Run, fact: Fact): void => {
    run.history.push({ fact, at: now() });
    run.story = heard(run.story, fact, now());
    const poll = fact.kind === 'reported' ? run.polls.get(fact.attempt) : undefined;
    if (poll !== undefined) poll.isCancelled = true;
    goOn(run);
  };
  /** The next workflow task, soon: what arrives until then is in it. */
  const goOn = (run: Run): void => {
    if (run.isDue || run.isClosed) return;
    run.isDue = true;
    const { generation } = run;
    after(random.between([2, 40]), () =>
      whenUp(() => {
        if (run.generation !== generation) return;
        run.isDue = false;
        liveThrough(run);
      }),
    );
  };
  /** The answer of an activity, unless a reset has forgotten that it was asked for. */
  const answering = <Answer>(run: Run, use: (answer: Answer) => void): ((answer: Answer) => void) => {
    const { generation } = run;
    return (answer) =>
      whenUp(() => {
        if (run.generation === generation && !run.isClosed) use(answer);
      });
  };
  const liveThrough = (run: Run): void => {
    while (!run.isBusy && !run.isClosed) {
      const step = nextStep(run.story, now());
      switch (step.kind) {
        case 'submit':
          submit(run, step.attempt);
          break;
        case 'watch':
          watch(run, step.attempt);
          break;
        case 'store':
          store(run, step.attempt);
          break;
        case 'queue': {
          run.isBusy = true;
          const { ticket, waitMs } = step;
          const request = { jobId: run.input.jobId, ticket, waitMs };
          activities.queue(
            request,
            answering(run, (answer) => {
              run.isBusy = false;
              hear(run, { kind: 'ticket', ticket, answer });
            }),
          );
          break;
        }
        case 'move':
          throw new Error('no operator repairs anything here');
        case 'wait':
          return waitUntil(run, step.untilMs);
        case 'settle':
          settle(run, step.verdict);
      }
    }
  };
  const waitUntil = (run: Run, untilMs: number | null): void => {
    if (untilMs === null || run.timerAt === untilMs) return;
    const { generation } = run;
    run.timerAt = untilMs;
    after(untilMs - now(), () => {
      if (run.generation === generation && run.timerAt === untilMs) goOn(run);
    });
  };
  const submit = (run: Run, { number: attempt, target, grant }: AttemptStory): void => {
    hear(run, { kind: 'submitting', attempt });
    const order = { jobId: run.input.jobId, attempt, target, grant, route: run.input.route };
    activities.submit(
      order,
      answering(run, (answer) => hear(run, { kind: 'submitted', attempt, answer })),
    );
  };
  const watch = (run: Run, attempt: AttemptStory): void => {
    hear(run, { kind: 'watching', attempt: attempt.number });
    poll(run, attempt);
  };
  const poll = (run: Run, { number: attempt, target }: AttemptStory): void => {
    const token = { isCancelled: false };
    run.polls.set(attempt, token);
    const order = {
      jobId: run.input.jobId,
      attempt,
      target,
      route: run.input.route,
      isCancelled: () => token.isCancelled,
    };
    activities.watch(
      order,
      answering(run, (report) => {
        if (!token.isCancelled) hear(run, { kind: 'reported', attempt, report });
      }),
    );
  };
  const store = (run: Run, { number: attempt }: AttemptStory): void => {
    hear(run, { kind: 'storing', attempt });
    copy(run, attempt);
  };
  const copy = (run: Run, attempt: number): void => {
    const { jobId } = run.input;
    activities.store(
      { jobId, attempt },
      answering(run, (answer) => hear(run, { kind: 'stored', attempt, answer })),
    );
  };
  const settle = (run: Run, verdict: Verdict): void => {
    run.isBusy = true;
    const { jobId, route } = run.input;
    activities.settle(
      jobId,
      verdict,
      answering(run, () => {
        run.isClosed = true;
        for (const token of run.polls.values()) token.isCancelled = true;
        const losers = run.story.attempts.filter(
          (attempt) => isLive(attempt) && targetOf(run.story, attempt).stoppable,
        );
        for (const { number: attempt, target } of losers) activities.stop({ jobId, attempt, target, route });
      }),
    );
  };
  /** Activities that were asked for before that point and not answered are asked for again. */
  const resume = (run: Run): void => {
    for (const attempt of run.story.attempts) {
      const { number, target, grant, phase, watchedAt } = attempt;
      const order = { jobId: run.input.jobId, attempt: number, target, grant, route: run.input.route };
      if (phase === 'submitting')
        activities.submit(
          order,
          answering(run, (answer) => hear(run, { kind: 'submitted', attempt: number, answer })),
        );
      if (phase === 'storing') copy(run, number);
      if (watchedAt !== null && isLive(attempt)) poll(run, attempt);
    }
  };

  return {
    start(input) {
      if (runs.has(input.jobId)) return false;
      const story = openStory(input, now());
      const state = { generation: 0, isBusy: false, isClosed: false, isDue: false, timerAt: null, history: [] };
      const run: Run = { input, story, openedAt: now(), polls: new Map(), ...state };
      runs.set(input.jobId, run);
      if (input.permit !== undefined) hear(run, { kind: 'permit', ...input.permit });
      goOn(run);
      return true;
    },
    signal(job, fact) {
      const run = runs.get(job);
      if (run === undefined || run.isClosed) return false;
      hear(run, fact);
      return true;
    },
    describe(job) {
      const run = runs.get(job);
      return run && (run.isClosed ? 'closed' : 'running');
    },
    reset(job) {
      const run = runs.get(job);
      if (run === undefined) return;
      const kept = random.count([run.input.permit === undefined ? 0 : 1, run.history.length]);
      const [before, since] = [run.history.slice(0, kept), run.history.slice(kept)];
      run.generation += 1;
      for (const token of run.polls.values()) token.isCancelled = true;
      run.polls.clear();
      const opened = openStory(run.input, run.openedAt);
      const story = before.reduce((story, { fact, at }) => heard(story, fact, at), opened);
      Object.assign(run, { story, history: [...before], isBusy: false, isClosed: false, isDue: false, timerAt: null });
      resume(run);
      for (const { fact } of since) if (isSignal(fact)) hear(run, fact);
      goOn(run);
    },
    lose(job) {
      const run = runs.get(job);
      if (run === undefined || run.isClosed) return;
      run.generation += 1;
      run.isClosed = true;
      for (const token of run.polls.values()) token.isCancelled = true;
      runs.delete(job);
    },
    isQuiet: () => [...runs.values()].every(({ isClosed }) => isClosed),
  };
}

/** What came from outside. A report may have been a poll's: to hear that twice is no harm. */
function isSignal({ kind }: Fact): boolean {
  return kind === 'permit' || kind === 'reported' || kind === 'hint' || kind === 'cancel';
}
