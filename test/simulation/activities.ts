import { failureOf } from '../../src/domain/failure.ts';
import type { Verdict } from '../../src/domain/next-step.ts';
import { nextCheckDelayMs } from '../../src/domain/poll-schedule.ts';
import { type Route, runBudgetMs } from '../../src/domain/route.ts';
import type { AttemptReport, QueueAnswer, StoreAnswer, SubmitAnswer } from '../../src/domain/story.ts';
import type { Clockwork, Worker } from './clockwork.ts';
import type { Awaitable, QueueRequest, Records, StandingVerdict } from './records.ts';
import type { Operation, PostAnswer, Vendor } from './vendor.ts';

/** The activities of generateVideo. Each answers in its time, through kills and outages, as Temporal's retries would have it. */
export interface Activities {
  submit(order: SubmitOrder, done: (answer: SubmitAnswer) => void): void;
  watch(order: WatchOrder, done: (report: AttemptReport) => void): void;
  store(order: AttemptOrder, done: (answer: StoreAnswer) => void): void;
  stop(order: TargetOrder): void;
  queue(request: QueueRequest, done: (answer: QueueAnswer) => void): void;
  settle(job: string, verdict: Verdict, done: (standing: StandingVerdict) => void): void;
}

interface AttemptOrder {
  readonly jobId: string;
  readonly attempt: number;
}

interface TargetOrder extends AttemptOrder {
  readonly target: number;
  readonly route: Route;
}

interface SubmitOrder extends TargetOrder {
  readonly grant: string;
}

interface WatchOrder extends TargetOrder {
  readonly isCancelled: () => boolean;
}

export interface ActivityParts {
  readonly clockwork: Clockwork;
  readonly records: Records;
  readonly vendor: Vendor;
  readonly copyFailedShare: number;
  /** A permit may be free, or a ticket there. */
  readonly onQueued: () => void;
}

/** Until Temporal takes a worker for dead, by what it was at. */
const heartbeatMs = { submit: 15_000, watch: 45_000, store: 30_000, task: 10_000 } as const;
const vendorLatencyMs = [20, 120] as const;

export function createActivities(parts: ActivityParts): Activities {
  const { clockwork, records, vendor, copyFailedShare, onQueued } = parts;
  const { after, random, whenUp, enterWorker } = clockwork;
  let tokens = 0;

  /** Takes a worker; should it die, Temporal notices after a while and another one begins anew. */
  const attempt = (silentMs: number, work: (worker: Worker, next: Next) => Awaitable<void>): void => {
    const again = (): void => after(silentMs, () => whenUp(() => attempt(silentMs, work)));
    const worker = enterWorker();
    const next: Next = (delayMs, step) =>
      after(delayMs, async () => {
        if (!worker.isAlive()) return again();
        await step();
        return undefined;
      });
    const guarded: Worker = { ...worker, passes: (point) => worker.passes(point) || (again(), false) };
    next(random.between([5, 40]), () => work(guarded, next));
  };

  return {
    submit(order, done) {
      const target = order.route[order.target];
      if (target === undefined) throw new Error(`there is no target ${order.target} of ${order.jobId}`);
      attempt(heartbeatMs.submit, async (worker, next) => {
        if (!worker.passes('before the ledger row')) return;
        tokens += 1;
        const token = `token-${tokens}`;
        const { jobId: job, attempt } = order;
        const provider = { targetName: target.name, provider: target.provider, token, seed: tokens };
        const begun = await records.beginAttempt({ ...order, ...provider, runBudgetMs: runBudgetMs(order.route) });
        if (!worker.passes('after the ledger row')) return;
        if (begun.verdict !== 'go') return done(answerOf(begun));
        next(random.between(vendorLatencyMs), () => {
          if (!worker.passes('before the POST')) return;
          const answer = vendor.post({ job, attempt, token, target });
          if (!worker.passes('before the answer to the POST')) return;
          next(random.between(vendorLatencyMs), async () => {
            if (!worker.passes('after the answer to the POST')) return;
            await record(order, answer);
            if (!worker.passes('after the note of the answer')) return;
            done(answer.kind === 'accepted' ? { kind: 'accepted' } : answer);
          });
        });
      });
    },
    watch: (order, done) => look(order, 1, done),
    store(order, done) {
      const { jobId, attempt: number } = order;
      attempt(heartbeatMs.store, async (worker, next) => {
        const begun = await records.beginAsset(jobId, number);
        onQueued();
        if (!worker.passes('after the note of a copy')) return;
        if (begun !== 'go') return done(storeAnswerOf(begun));
        next(random.between([500, 4_000]), async () => {
          const fails = random.chance(copyFailedShare);
          const verdict = fails ? await records.failAsset(jobId, number) : await records.keepAsset(jobId, number);
          if (!worker.passes('after the copy')) return;
          done(storeAnswerOf(verdict));
        });
      });
    },
    stop({ jobId, attempt: number }) {
      attempt(heartbeatMs.watch, async (_worker, next) => {
        const entry = await records.findAttempt(jobId, number);
        if (entry?.operation == null || entry.outcome !== null) return;
        const { operation } = entry;
        next(random.between(vendorLatencyMs), async () => {
          vendor.stop(operation);
          const seen = vendor.check(operation);
          if (seen?.state === 'failed')
            await records.endAttempt({ jobId, attempt: number, evidence: 'stop', outcome: 'lost' });
          if (seen?.state === 'finished')
            await records.endAttempt({ jobId, attempt: number, evidence: 'check', outcome: 'finished', operation });
          onQueued();
        });
      });
    },
    queue(request, done) {
      attempt(heartbeatMs.task, async (worker) => {
        const answer = await records.queueAttempt(request);
        onQueued();
        if (worker.passes('after a ticket')) done(answer);
      });
    },
    settle(job, verdict, done) {
      attempt(heartbeatMs.task, async (worker) => {
        const standing = await records.settleJob(job, verdict);
        onQueued();
        if (worker.passes('after a verdict')) done(standing);
      });
    },
  };

  async function record({ jobId, attempt }: AttemptOrder, answer: PostAnswer): Promise<void> {
    if (answer.kind === 'refused') {
      const { failure } = answer;
      await records.endAttempt({ jobId, attempt, evidence: 'refusal', outcome: 'failed', failure });
    } else {
      const operation = answer.kind === 'accepted' ? answer.operation : null;
      await records.answerAttempt({ jobId, attempt, state: answer.kind, operation });
    }
    onQueued();
  }

  /** One poll; what it found out too late, because the vendor had not ended, is asked again in a while. */
  function look(order: WatchOrder, count: number, done: (report: AttemptReport) => void): void {
    const { jobId, attempt: number, route } = order;
    const target = route[order.target];
    if (order.isCancelled() || target === undefined) return;
    attempt(heartbeatMs.watch, async (worker, next) => {
      const entry = await records.findAttempt(jobId, number);
      if (entry === undefined) return done({ outcome: 'failed', failure: failureOf('ambiguous_submit') });
      if (entry.outcome === 'finished') return done({ outcome: 'finished' });
      if (entry.outcome !== null)
        return done({ outcome: 'failed', failure: entry.failure ?? failureOf('ambiguous_submit') });
      next(random.between(vendorLatencyMs), async () => {
        const report =
          entry.operation === null ? await adopt(order, entry.submittedAt) : await poll(order, entry.operation);
        onQueued();
        if (!worker.passes('after a poll')) return;
        if (report !== undefined) return done(report);
        after(nextCheckDelayMs(target, count, random.next()), () => whenUp(() => look(order, count + 1, done)));
      });
    });
  }

  async function poll({ jobId, attempt }: WatchOrder, operation: string): Promise<AttemptReport | undefined> {
    const seen = vendor.check(operation);
    if (seen === undefined || seen.state === 'running') return undefined;
    if (seen.state === 'queued') return { outcome: 'queued' };
    await records.endAttempt({ jobId, attempt, evidence: 'check', operation, ...endOf(seen) });
    const standing = await records.findAttempt(jobId, attempt);
    if (standing?.outcome === 'finished') return { outcome: 'finished' };
    return { outcome: 'failed', failure: standing?.failure ?? failureOf('ambiguous_submit') };
  }

  /** By our own mark in the vendor's list, where there is one; else the target's policy decides after its grace. */
  async function adopt(order: WatchOrder, submittedAt: number): Promise<AttemptReport | undefined> {
    const { jobId, attempt, route } = order;
    const target = route[order.target];
    const found = target?.stoppable === true ? vendor.findByAttempt(jobId, attempt) : undefined;
    if (found !== undefined && (await records.adoptFromList({ jobId, attempt, operation: found.id })))
      return await poll(order, found.id);
    if (target === undefined || clockwork.databaseNow() < submittedAt + target.unknownGraceMs) return undefined;
    const stands = await records.decideUnknown({ jobId, attempt, policy: target.unknownPolicy });
    if (!stands || target.unknownPolicy === 'wait') return undefined;
    const retry = target.unknownPolicy === 'resubmit' ? 'same' : 'elsewhere';
    return { outcome: 'failed', failure: failureOf('ambiguous_submit', { retry }) };
  }
}

type Next = (delayMs: number, step: () => Awaitable<void>) => void;

function endOf({ state, failure }: Operation) {
  return state === 'finished'
    ? ({ outcome: 'finished' } as const)
    : ({ outcome: 'failed', failure: failure ?? failureOf('provider_failed') } as const);
}

function storeAnswerOf(verdict: 'kept' | 'job_final' | 'failed' | 'go'): StoreAnswer {
  if (verdict === 'kept') return { kind: 'stored' };
  return verdict === 'failed' ? { kind: 'failed', failure: failureOf('output_expired') } : { kind: 'job_final' };
}

function answerOf(begun: Exclude<Awaited<ReturnType<Records['beginAttempt']>>, { verdict: 'go' }>): SubmitAnswer {
  if (begun.verdict === 'refused') return { kind: 'refused', failure: begun.failure };
  return { kind: begun.verdict === 'submitting' ? 'unknown' : begun.verdict };
}
