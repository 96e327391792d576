import { assert } from '../domain/assert.ts';
import { durationAt } from '../domain/durations.ts';
import type { Dimension } from '../domain/learned-limit.ts';
import type { Story } from '../domain/story.ts';
import { afterRefusal } from './after-refusal.ts';
import type { Arrival } from './arrivals.ts';
import type { LineTicket } from './flow-rows.ts';
import { LearnedPool } from './learned-pool.ts';
import { Line } from './line.ts';
import type { TierOutcome, TierPlan } from './tier-plan.ts';
import { createRandom, type Random } from './random.ts';
import { createRealAccount, type RealAccount, type RealLimits } from './real-account.ts';
import { createTimeline } from './timeline.ts';
import { UseOfAccount } from './use-of-account.ts';

/** Between two passes. */
const passGapMs = 100;
/** From the permit to the POST, and to its answer. */
const startMs = [40, 160] as const;
const answerMs = [150, 600] as const;
/** From the end at the vendor until the slot is free here. */
const releaseMs = [50, 300] as const;

interface Job extends LineTicket {
  /** Only of one that was refused: what its workflow knows. */
  story: Story | null;
  firstGrantAt: number | null;
  isOver: boolean;
}

/** Jobs that wait for one account and are done one after the other. */
export class Backlog {
  readonly #plan: TierPlan;
  readonly #timeline = createTimeline<() => void>();
  readonly #random: Random;
  readonly #line = new Line();
  readonly #pool: LearnedPool;
  readonly #real: RealLimits;
  readonly #account: RealAccount;
  readonly #use = new UseOfAccount();
  readonly #jobs: Job[] = [];
  readonly #waitsMs: number[] = [];
  readonly #counts = { served: 0, failed: 0, submits: 0, refusals: 0 };
  #endedAt = 0;
  #passedAt = Number.NEGATIVE_INFINITY;
  #passAt: number | null = null;

  constructor(plan: TierPlan) {
    const { outstandingMax, perMinuteMax, realShare } = plan;
    this.#plan = plan;
    this.#random = createRandom(plan.seed);
    this.#pool = new LearnedPool({ ...plan, target: plan.target.name, line: this.#line });
    this.#real = { outstandingMax: share(outstandingMax, realShare), perMinuteMax: share(perMinuteMax, realShare) };
    this.#account = createRealAccount(this.#real);
  }

  drain(): void {
    for (const arrival of this.#plan.arrivals) this.#timeline.at(arrival.second * 1_000, () => this.#arrive(arrival));
    for (let act = this.#timeline.next(); act !== undefined; act = this.#timeline.next()) act();
  }

  outcome(): TierOutcome {
    const { served, failed, submits, refusals } = this.#counts;
    const first = Math.min(...this.#plan.arrivals.map(({ second }) => second)) * 1_000;
    const waitsMs = this.#waitsMs.toSorted((one, other) => one - other);
    const utilisation = this.#use.share(this.#real);
    return { waitsMs, served, failed, submits, refusals, drainMs: this.#endedAt - first, utilisation };
  }

  #arrive({ count, tenant, class: index }: Arrival): void {
    const { target, queueTtlSeconds } = this.#plan;
    const acceptedAt = this.#timeline.now();
    const from = this.#jobs.length;
    for (let ordinal = from; ordinal < from + count; ordinal += 1) {
      const job: Job = {
        id: String(ordinal),
        ordinal,
        tenant,
        caller: '',
        class: index,
        target: target.name,
        weight: 1,
        acceptedAt,
        priceUsdMicros: target.priceUsdMicros,
        story: null,
        firstGrantAt: null,
        isOver: false,
      };
      this.#jobs.push(job);
      this.#enter(job);
    }
    this.#timeline.after(queueTtlSeconds * 1_000, () => {
      for (const job of this.#jobs.slice(from, from + count)) if (job.firstGrantAt === null) this.#expire(job);
    });
  }

  #enter(job: Job): void {
    if (job.isOver) return;
    this.#line.enter(job);
    this.#lookSoon();
  }

  #expire(job: Job): void {
    this.#line.leave(job);
    this.#finish(job, 'failed');
  }

  /** As soon as there is something to grant, and the dispatcher may after its last pass. */
  #lookSoon(): void {
    const nextAt = this.#line.waiting > 0 ? this.#pool.nextPassAt(this.#timeline.now()) : Number.POSITIVE_INFINITY;
    const moment = Math.max(nextAt, this.#passedAt + passGapMs);
    if (moment === Number.POSITIVE_INFINITY || (this.#passAt !== null && this.#passAt <= moment)) return;
    this.#passAt = moment;
    this.#timeline.at(moment, () => {
      if (this.#passAt === moment) this.#pass();
    });
  }

  #pass(): void {
    const now = this.#timeline.now();
    this.#passAt = null;
    this.#passedAt = now;
    for (const { id, startAt } of this.#pool.pass(now)) {
      const job = this.#jobs[Number(id)];
      assert(job, `${id} was granted and is not there`);
      this.#line.take(job);
      job.firstGrantAt ??= now;
      this.#timeline.at(startAt + this.#random.between(startMs), () => this.#submit(job, now));
    }
    this.#lookSoon();
  }

  #submit(job: Job, grantedAt: number): void {
    const now = this.#timeline.now();
    this.#counts.submits += 1;
    const answer = this.#account.submit(now);
    if (answer !== 'taken') {
      this.#counts.refusals += 1;
      return this.#timeline.after(this.#random.between(answerMs), () =>
        this.#refuse(job, { grantedAt, dimension: answer }),
      );
    }
    this.#use.started(now, this.#line.waiting > 0);
    this.#timeline.after(this.#random.between(answerMs), () => {
      this.#pool.answered();
      this.#lookSoon();
    });
    this.#timeline.after(durationAt(this.#plan.durations, this.#random.next()), () => this.#end(job));
  }

  #end(job: Job): void {
    this.#account.ended();
    this.#use.ended(this.#timeline.now(), this.#line.waiting > 0);
    this.#finish(job, 'served');
    this.#timeline.after(this.#random.between(releaseMs), () => {
      this.#pool.released();
      this.#lookSoon();
    });
  }

  #refuse(job: Job, { grantedAt, dimension }: { readonly grantedAt: number; readonly dimension: Dimension }): void {
    this.#pool.answered();
    this.#pool.released();
    this.#pool.refused({ grantedAt, dimension, retryAfterMs: null });
    const { story, waitMs } = afterRefusal(job.story, {
      target: this.#plan.target,
      now: this.#timeline.now(),
      dimension,
    });
    job.story = story;
    if (waitMs === null) this.#finish(job, 'failed');
    else this.#timeline.after(waitMs, () => this.#enter(job));
    this.#lookSoon();
  }

  #finish(job: Job, how: 'served' | 'failed'): void {
    job.isOver = true;
    this.#counts[how] += 1;
    this.#endedAt = Math.max(this.#endedAt, this.#timeline.now());
    if (how === 'served') this.#waitsMs.push((job.firstGrantAt ?? job.acceptedAt) - job.acceptedAt);
  }
}

function share(limit: number, realShare: number): number {
  return Math.max(1, Math.floor(limit * realShare));
}
