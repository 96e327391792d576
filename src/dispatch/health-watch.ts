import type pg from 'pg';
import type { Logger } from 'pino';
import { readDurationsOfTargets, writeDurations } from '../db/scheduler/durations.ts';
import { beginWithPinnedPlans } from '../db/scheduler/grants.ts';
import {
  type EvidenceRow,
  findTargets,
  readEvidence,
  type StoredTarget,
  type TargetKey,
  writeHealth,
} from '../db/scheduler/health.ts';
import { asOnlyOne } from '../db/only-one.ts';
import { inTransaction } from '../db/pool.ts';
import { type BreakerState, evidenceSpan } from '../domain/breaker.ts';
import {
  dueAfterMs,
  durationAt,
  type DurationSketch,
  endsExpected,
  overdueAfterMs,
  readDurations,
  type TypicalDuration,
} from '../domain/durations.ts';
import { limits } from '../domain/limits/limits.ts';
import {
  type BreakerName,
  breakerNames,
  healthWord,
  judgeTarget,
  probingSince,
  readHealth,
  type TargetEvidence,
  type TargetHealth,
} from '../domain/target-health.ts';

export interface BreakerChange {
  readonly target: string;
  readonly breaker: BreakerName;
  readonly state: BreakerState;
}

export interface HealthWatchDeps {
  readonly pool: pg.Pool;
  /** What the catalogue says of its targets, by name. */
  readonly typical: ReadonlyMap<string, TypicalDuration>;
  /** Whether Temporal can be reached. Without it nobody asks the vendors, and their silence says nothing of them. */
  readonly isHearing: () => Promise<boolean>;
  readonly log: Logger;
  /** How every breaker stands, once a round, whoever judged it. */
  readonly onState: (states: readonly BreakerChange[]) => void;
  /** Once a change, in the process that has judged it. */
  readonly onChange: (change: BreakerChange) => void;
  /** What a target admits is different now: somebody may be granted, or has to go elsewhere. */
  readonly onAdmission: () => void;
}

export interface HealthWatch {
  /** One round: judges every target by what was seen of it lately, in one process at a time. */
  round(): Promise<'idle'>;
}

export function createHealthWatch(deps: HealthWatchDeps): HealthWatch {
  let deafUntil = 0;
  let sketchedAt = Number.NEGATIVE_INFINITY;
  return {
    async round() {
      await asOnlyOne(deps.pool, 'health', async () => {
        if (!(await deps.isHearing())) deafUntil = performance.now() + limits.deafMs;
        await judgeTargets(deps, performance.now() < deafUntil);
        if (performance.now() - sketchedAt < limits.durationsEveryMs) return;
        sketchedAt = performance.now();
        const rows = await inTransaction(deps.pool, readDurationsOfTargets, beginWithPinnedPlans);
        for (const row of rows) await writeDurations(deps.pool, row);
      });
      deps.onState((await findTargets(deps.pool)).flatMap(({ name, health }) => statesOf(name, readHealth(health))));
      return 'idle';
    },
  };
}

async function judgeTargets(deps: HealthWatchDeps, isDeaf: boolean): Promise<void> {
  const targets = (await findTargets(deps.pool)).map((stored) => openTarget(deps, stored));
  const read = (connection: pg.PoolClient) => readEvidence(connection, targets.map(toQuery));
  // Figures that lag behind a flood make all of the history look cheap to walk.
  const rows = await inTransaction(deps.pool, read, beginWithPinnedPlans);
  const rowsByKey = new Map(rows.map((row) => [keyOf(row), row]));
  for (const target of targets) {
    const row = rowsByKey.get(keyOf(target));
    if (row === undefined) continue;
    const judged = judgeTarget(target.health, toEvidence(target, isDeaf ? { ...row, due: 0, overdue: 0 } : row));
    if (judged !== target.health) await change(deps, target, judged);
  }
}

interface Target extends TargetKey {
  readonly now: number;
  readonly health: TargetHealth;
  readonly sketch: DurationSketch;
}

/** Of a target that the catalogue no longer has: long enough that only its own videos can make it overdue. */
const unknownDuration: TypicalDuration = { typicalMs: 600_000, longestMs: 3_600_000 };

function openTarget({ typical }: HealthWatchDeps, { pool, name, now, health, durations }: StoredTarget): Target {
  const prior = typical.get(name) ?? unknownDuration;
  return { pool, name, now, health: readHealth(health), sketch: readDurations(durations, prior) };
}

function toQuery({ pool, name, now, health, sketch }: Target) {
  return {
    pool,
    name,
    now,
    submit: evidenceSpan(health.submit, now),
    outcome: evidenceSpan(health.outcome, now),
    dueAfterMs: dueAfterMs(sketch, limits.breakerRecentMs),
    overdueAfterMs: overdueAfterMs(sketch),
    isProbing: probingSince(health) !== null,
  };
}

function toEvidence({ now, sketch }: Target, row: EvidenceRow): TargetEvidence {
  return {
    now,
    submit: {
      recent: { good: row.submitGoodRecent, bad: row.submitBadRecent },
      all: { good: row.submitGood, bad: row.submitBad },
      late: row.unanswered,
      accountRefusedAt: row.accountRefusedAt,
      acceptedAt: row.acceptedAt,
    },
    outcome: {
      recent: { good: row.outcomeGoodRecent, bad: row.outcomeBadRecent },
      all: { good: row.outcomeGood, bad: row.outcomeBad },
      late: row.overdue,
      young: { good: row.youngGood, bad: row.youngBad },
      ended: row.ended,
      usualMs: durationAt(sketch, 0.95),
      expected: endsExpected(sketch, { due: row.due, withinMs: limits.breakerRecentMs }),
    },
  };
}

async function change(deps: HealthWatchDeps, target: Target, judged: TargetHealth): Promise<void> {
  const { name, health } = target;
  await writeHealth(deps.pool, target, judged);
  for (const breaker of breakerNames) {
    const [before, after] = [health[breaker], judged[breaker]];
    if (before.state === after.state) continue;
    const detail = { target: name, breaker, from: before.state, to: after.state, openings: after.openings };
    deps.log[after.state === 'open' ? 'warn' : 'info']({ ...detail, health: healthWord(judged) }, 'breaker changed');
    deps.onChange({ target: name, breaker, state: after.state });
  }
  deps.onAdmission();
}

function statesOf(target: string, health: TargetHealth): readonly BreakerChange[] {
  return breakerNames.map((breaker) => ({ target, breaker, state: health[breaker].state }));
}

function keyOf({ pool, name }: TargetKey): string {
  return JSON.stringify([pool, name]);
}
