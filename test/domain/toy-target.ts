import { evidenceSpan } from '../../src/domain/breaker.ts';
import {
  dueAfterMs,
  durationAt,
  type DurationSketch,
  endsExpected,
  overdueAfterMs,
  readDurations,
  sketchQuantiles,
} from '../../src/domain/durations.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import {
  admits,
  healthy,
  judgeTarget,
  probingSince,
  type TargetEvidence,
  type TargetHealth,
} from '../../src/domain/target-health.ts';
import { seeded } from '../support/seeded.ts';

/** What becomes of one attempt. Neutral: neither for nor against the target. */
export interface Fate {
  readonly answer?: 'accepted' | 'bad' | 'neutral' | 'locked_out';
  readonly answerMs?: number;
  /** From submit; Infinity: it never ends. */
  readonly takesMs?: number;
  readonly end?: 'good' | 'bad' | 'neutral';
}

export interface ToyTarget {
  readonly perSecond: number;
  readonly fate: (at: number, random: () => number) => Fate;
  readonly seed?: number;
  /** Attempts that it may have at once. */
  readonly outstandingMax?: number;
  /** Videos of its past that a sketch is made of; without them the catalogue's 60 s stand alone. */
  readonly past?: readonly number[];
}

/** A second of a target's life. */
export interface Moment {
  readonly at: number;
  readonly health: TargetHealth;
  /** Attempts under way that were granted since the breakers are probed. */
  readonly probes: number;
  readonly submitted: number;
}

interface Attempt extends Required<Fate> {
  readonly submittedAt: number;
}

/** As design.md has it: patience over, then somebody else's video, and nobody waits for this one any more. */
const abandonedAfterMs = 180_000;

/** Lives for so many seconds of virtual time, judged once in each, as the health watch does it on real rows. */
export function live(target: ToyTarget, seconds: number): readonly Moment[] {
  const random = seeded(target.seed ?? 1);
  const sketch = sketchOf(target.past ?? []);
  let attempts: Attempt[] = [];
  const moments: Moment[] = [];
  let health = healthy;
  for (let second = 1; second <= seconds; second++) {
    const submitted = submitSecond(second);
    const now = second * 1_000;
    health = judgeTarget(health, observe({ attempts, health, sketch, now }));
    const since = probingSince(health) ?? 0;
    const probes = attempts.filter((attempt) => attempt.submittedAt >= since && isUnderWay(attempt, now)).length;
    attempts = attempts.filter((attempt) => isUnderWay(attempt, keptSince(health, now)));
    moments.push({ at: now, health, probes, submitted });
  }
  return moments;

  function submitSecond(second: number): number {
    let count = 0;
    for (let index = 0; index < target.perSecond; index++) {
      const at = (second - 1 + index / target.perSecond) * 1_000;
      if (!hasRoom(at)) continue;
      const { answer = 'accepted', answerMs = 500, takesMs = 60_000, end = 'good' } = target.fate(at, random);
      attempts.push({ submittedAt: at, answer, answerMs, takesMs, end });
      count += 1;
    }
    return count;
  }

  function hasRoom(at: number): boolean {
    const most = target.outstandingMax ?? Number.POSITIVE_INFINITY;
    const bound = admits(health);
    if (bound === null && most === Number.POSITIVE_INFINITY) return true;
    const underWay = attempts.filter((attempt) => isUnderWay(attempt, at));
    const since = probingSince(health) ?? 0;
    const probes = underWay.filter(({ submittedAt }) => submittedAt >= since);
    return underWay.length < most && (bound === null || probes.length < bound);
  }
}

/** What ended before then is asked for no more. */
function keptSince({ submit, outcome }: TargetHealth, now: number): number {
  return Math.min(evidenceSpan(submit, now).after, evidenceSpan(outcome, now).after) - 1_000;
}

interface Sight {
  readonly attempts: readonly Attempt[];
  readonly health: TargetHealth;
  readonly sketch: DurationSketch;
  readonly now: number;
}

function observe({ attempts, health, sketch, now }: Sight): TargetEvidence {
  const submit = evidenceSpan(health.submit, now);
  const outcome = evidenceSpan(health.outcome, now);
  const answered = attempts.filter((attempt) => answeredAt(attempt) <= now && answeredAt(attempt) >= submit.after);
  const accepted = answered.filter(({ answer }) => answer === 'accepted');
  const refused = answered.filter(
    ({ answer, submittedAt }) => (answer === 'bad' || answer === 'locked_out') && submittedAt >= submit.submittedAfter,
  );
  const ended = attempts.filter((attempt) => endedAt(attempt) <= now && endedAt(attempt) >= outcome.after);
  const finished = ended.filter(({ end }) => end === 'good');
  const failed = ended.filter(({ end, submittedAt }) => end === 'bad' && submittedAt >= outcome.submittedAfter);
  // As the statement of the health watch has it: the last moments, or the last few.
  const recentOf = (some: readonly Attempt[], moment: (attempt: Attempt) => number): ReadonlySet<Attempt> => {
    const newest = some.toSorted((left, right) => moment(right) - moment(left));
    const { breakerRecentMin, breakerRecentMs } = limits;
    return new Set(newest.filter((one, index) => index < breakerRecentMin || moment(one) >= now - breakerRecentMs));
  };
  const recentAnswers = recentOf([...accepted, ...refused], answeredAt);
  const recentEnds = recentOf([...finished, ...failed], endedAt);
  const among = (some: readonly Attempt[], recent: ReadonlySet<Attempt>): number =>
    some.filter((attempt) => recent.has(attempt)).length;
  const young = accepted.filter((attempt) => recentAnswers.has(attempt));
  const failures = new Set(failed);
  const failedYoung = young.filter((attempt) => failures.has(attempt));
  const open = attempts.filter(
    (attempt) =>
      attempt.answer === 'accepted' &&
      answeredAt(attempt) <= now &&
      isUnderWay(attempt, now) &&
      attempt.submittedAt >= outcome.submittedAfter &&
      now - attempt.submittedAt < abandonedAfterMs,
  );
  const olderThan = (ms: number | null): number =>
    ms === null ? 0 : open.filter(({ submittedAt }) => now - submittedAt > ms).length;
  const latest = (some: readonly Attempt[]): number | null =>
    some.length === 0 ? null : Math.max(...some.map(answeredAt));
  const silent = attempts.filter(
    (attempt) =>
      answeredAt(attempt) > now &&
      attempt.submittedAt >= submit.submittedAfter &&
      now - attempt.submittedAt >= limits.submitSlowMs &&
      now - attempt.submittedAt <= limits.submitLostMs,
  );
  return {
    now,
    submit: {
      recent: { good: among(accepted, recentAnswers), bad: among(refused, recentAnswers) },
      all: { good: accepted.length, bad: refused.length },
      late: silent.length,
      accountRefusedAt: latest(refused.filter(({ answer }) => answer === 'locked_out')),
      acceptedAt: latest(accepted),
    },
    outcome: {
      recent: { good: among(finished, recentEnds), bad: among(failed, recentEnds) },
      all: { good: finished.length, bad: failed.length },
      late: olderThan(overdueAfterMs(sketch)),
      young: {
        good: young.filter((attempt) => isUnderWay(attempt, now) || attempt.end === 'good').length,
        bad: failedYoung.length,
      },
      ended: ended.filter((attempt) => endedAt(attempt) >= now - limits.breakerRecentMs).length,
      usualMs: durationAt(sketch, 0.95),
      expected: endsExpected(sketch, {
        due: olderThan(dueAfterMs(sketch, limits.breakerRecentMs)),
        withinMs: limits.breakerRecentMs,
      }),
    },
  };
}

function answeredAt({ submittedAt, answerMs }: Attempt): number {
  return submittedAt + answerMs;
}

/** Of what was accepted. What was not has its end with the answer, which is none of the outcome's affair. */
function endedAt({ submittedAt, takesMs, answer }: Attempt): number {
  return answer === 'accepted' ? submittedAt + takesMs : Number.POSITIVE_INFINITY;
}

function isUnderWay(attempt: Attempt, at: number): boolean {
  return attempt.answer === 'accepted' ? endedAt(attempt) > at : answeredAt(attempt) > at;
}

/** As Postgres makes it of observed durations, in milliseconds. */
export function sketchOf(durationsMs: readonly number[], typicalMs = 60_000): DurationSketch {
  const sorted = durationsMs.toSorted((left, right) => left - right);
  const quantilesMs = sketchQuantiles.map((quantile) => sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0);
  return readDurations({ count: sorted.length, quantilesMs }, { typicalMs, longestMs: 900_000 });
}

/** Videos of a minute: 50 to 80 s, the most of them around 60. */
export function takesAMinute(random: () => number): number {
  return 50_000 + 30_000 * Math.min(random(), random());
}

export const pastMinutes = (seed = 99): readonly number[] => {
  const random = seeded(seed);
  return Array.from({ length: 300 }, () => takesAMinute(random));
};

export const p95OfMinutes = durationAt(sketchOf(pastMinutes()), 0.95);
