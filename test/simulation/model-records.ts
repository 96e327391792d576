import { attemptFunctions } from './model-attempts.ts';
import { grantFunctions } from './model-grants.ts';
import { jobFunctions } from './model-jobs.ts';
import { mailFunctions } from './model-mail.ts';
import { repairFunctions } from './model-repairs.ts';
import {
  type Functions,
  type JobRow,
  type Mutations,
  openPool,
  type PassSeen,
  type PoolLimits,
  type Tables,
} from './model-tables.ts';
import type { JobOutcome } from './records.ts';

export interface ModelSettings {
  readonly now: () => number;
  readonly pools: readonly PoolLimits[];
  readonly mutations?: Mutations;
  readonly onPass?: (pass: PassSeen) => void;
  readonly onViolation?: (violation: string) => void;
  readonly onTie?: () => void;
}

export interface ModelRecords extends Functions {
  readonly tables: Tables;
}

/** What Postgres keeps and does, in memory. */
export function createModelRecords(settings: ModelSettings): ModelRecords {
  const { now, pools, mutations = {}, onPass = () => undefined, onViolation = () => undefined } = settings;
  const { onTie = () => undefined } = settings;
  const tables: Tables = {
    now,
    jobs: new Map(),
    tickets: new Map(),
    ticketsById: new Map(),
    aside: new Set(),
    permits: new Map(),
    attempts: new Map(),
    assets: new Map(),
    mailbox: new Map(),
    inbox: new Set(),
    counters: { ticket: 0, grant: 0, mail: 0 },
    mutations,
    onPass,
    onViolation,
    onTie,
    pools: new Map(pools.map((pool) => [pool.id, openPool(pool, now())])),
  };
  return {
    tables,
    ...jobFunctions(tables),
    ...attemptFunctions(tables),
    ...mailFunctions(tables),
    ...grantFunctions(tables),
    ...repairFunctions(tables),
    isQuiet: () =>
      tables.tickets.size === 0 &&
      tables.permits.size === 0 &&
      tables.mailbox.size === 0 &&
      [...tables.jobs.values()].every(({ finishedAt }) => finishedAt !== null),
    outcomes: () => [...tables.jobs.values()].map((job) => outcomeOf(tables, job)),
  };
}

function outcomeOf({ attempts }: Tables, job: JobRow): JobOutcome {
  const { id, phase, failure, servedAttempt, finishedAt, runDeadline, queueDeadline, events } = job;
  const rows = [...attempts.values()].filter((attempt) => attempt.job === job);
  return {
    id,
    phase,
    servedAttempt,
    finishedAt,
    runDeadline,
    queueDeadline,
    events,
    failure: failure?.code ?? null,
    attempts: rows
      .toSorted((one, other) => one.attempt - other.attempt)
      .map(({ attempt, target, state, outcome, evidence, isPossibleDuplicate }) => ({
        attempt,
        target,
        state,
        outcome,
        evidence,
        isPossibleDuplicate,
      })),
  };
}
