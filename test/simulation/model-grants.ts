import { growAccount, hearAccount, limitsInForce } from '../../src/domain/limits/account-limits.ts';
import {
  chooseGrants,
  type Grants,
  hasRoom,
  type PoolSnapshot,
  type PoolState,
  roomOf,
} from '../../src/domain/grants.ts';
import { dropTicket, place } from './model-jobs.ts';
import { putMail } from './model-mail.ts';
import {
  attemptKey,
  micros,
  type Part,
  type PermitRow,
  type PoolRow,
  type Tables,
  type TicketRow,
} from './model-tables.ts';

interface Bounds {
  readonly submittingMax: number;
  readonly startSlots: number;
}

/** One round of dispatch/grant-pass.ts: the same choice by the same functions, carried out in memory. */
export function grantFunctions(tables: Tables): Part<'grant'> {
  return {
    grant({ submittingMax, startSlots }) {
      let granted = 0;
      const pools = [...tables.pools.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1));
      for (const pool of pools) {
        const bounds = { submittingMax, startSlots: startSlots - granted };
        if (isBusy(tables, pool, bounds)) granted += pass(tables, pool, bounds);
        const { line, id } = pool;
        if (line.waiting > 0 && !line.hasActive() && !line.hasNews())
          tables.onViolation(`tickets are stranded at ${id}`);
      }
      return granted;
    },
  };
}

/** As find_busy_pools: what it counts is a hint. */
function isBusy(tables: Tables, pool: PoolRow, { submittingMax }: Bounds): boolean {
  const now = tables.now();
  if (pool.line.hasNews() || pool.throttles.length > 0) return true;
  let hasLine = pool.line.hasActive();
  for (const { pool: id, parked, notBefore, kind } of tables.aside) {
    if (id !== pool.id) continue;
    if (parked && notBefore <= now) return true;
    hasLine ||= kind === 'overlap' && !parked;
  }
  if (!hasLine) return false;
  let [outstanding, submitting] = [0, 0];
  for (const permit of tables.permits.values()) {
    if (permit.pool !== pool.id) continue;
    outstanding += 1;
    if (permit.submitting) submitting += 1;
  }
  return hasRoom({ ...pool, now, outstanding, submitting, submittingMax });
}

function pass(tables: Tables, pool: PoolRow, bounds: Bounds): number {
  unpark(tables, pool);
  pool.line.fold();
  const held = stateOf(tables, pool, bounds);
  const { outstandingMax, perMinuteMax } = pool;
  const startedLately = pool.throttles.length === 0 ? 0 : countStarts(tables, pool);
  const throttles = pool.throttles.splice(0);
  const account = hearAccount(pool.learned, { ...held, startedLately, throttles });
  const state: PoolState = { ...held, ...limitsInForce(account) };
  const { count, targets } = roomOf(state);
  const headsMax = Math.max(count, 1);
  const flows = pool.line.heads({ targets, headsMax });
  const lanes = pool.line.lanes();
  const choice = { ...state, lanes, flows, overlaps: overlapsOf(tables, pool, headsMax), budgetUsdMicros: null };
  const grants = mutated(tables, choice);
  tell(tables, pool, grants);
  const claimed = grants.granted.filter(({ id, startAt }) => claim(tables, tables.ticketsById.get(id), startAt)).length;
  note(tables, pool, claimed === grants.granted.length ? grants : withoutEmptied(grants));
  const { nextStartAt } = grants;
  const outstanding = state.outstanding + grants.granted.length;
  pool.learned = growAccount(account, { now: state.now, outstandingMax, perMinuteMax, outstanding, nextStartAt });
  return claimed;
}

function stateOf(tables: Tables, pool: PoolRow, { submittingMax, startSlots }: Bounds): PoolState {
  const all = [...tables.permits.values()].filter((permit) => permit.pool === pool.id);
  const { ignoresZombies, ignoresRate } = tables.mutations;
  const held = ignoresZombies === true ? all.filter(({ zombieSince }) => zombieSince === null) : all;
  const { outstandingMax, perMinuteMax, nextStartAt, overlapTokens, overlapAt } = pool;
  return {
    now: tables.now(),
    outstandingMax,
    perMinuteMax,
    overlapTokens,
    overlapAt,
    submittingMax,
    startSlots,
    nextStartAt: ignoresRate === true ? 0 : nextStartAt,
    pausedUntil: 0,
    outstanding: held.length,
    submitting: all.filter(({ submitting }) => submitting).length,
    undelivered: all.filter((permit) => isUndelivered(tables, permit)).length,
    targets: [...pool.targets.values()].map((target) => ({
      ...target,
      outstanding: held.filter((permit) => permit.target === target.name).length,
      probing: all.filter((permit) => permit.target === target.name && permit.grantedAt >= target.probingSince).length,
    })),
  };
}

/** In the last minute, without those that were refused for load. */
function countStarts({ permits, attempts, now }: Tables, { id }: PoolRow): number {
  const since = now() - 60_000;
  const held = [...permits.values()].filter(({ pool, grantedAt }) => pool === id && grantedAt > since);
  const ended = [...attempts.values()].filter(
    ({ pool, endedAt, submittedAt, state }) =>
      pool === id && endedAt !== null && endedAt > since && submittedAt > since && state !== 'refused',
  );
  return held.length + ended.length;
}

function withoutEmptied(grants: Grants): Grants {
  return { ...grants, flows: grants.flows.map((flow) => ({ ...flow, emptied: [] })) };
}

function isUndelivered({ mailbox, now }: Tables, { job, attempt, submitting, startAt }: PermitRow): boolean {
  if (!submitting || startAt >= now() - 1_000) return false;
  return mailbox.has(`${job.id} start ${attempt}`) || mailbox.has(`${job.id} permit ${attempt}`);
}

function overlapsOf(tables: Tables, pool: PoolRow, count: number): PoolSnapshot['overlaps'] {
  const { ignoresOverlapBudget } = tables.mutations;
  return [...tables.aside]
    .filter((ticket) => ticket.pool === pool.id && ticket.kind === 'overlap' && !ticket.parked)
    .toSorted((one, other) => one.acceptedAt - other.acceptedAt || one.ordinal - other.ordinal)
    .slice(0, count)
    .map(({ id, priceUsdMicros, target }) => ({ id, priceUsdMicros, target, isWaived: ignoresOverlapBudget === true }));
}

function unpark(tables: Tables, pool: PoolRow): void {
  const due = [...tables.aside].filter(
    (ticket) => ticket.pool === pool.id && ticket.parked && ticket.notBefore <= tables.now(),
  );
  if (due.length > 1) tables.onTie();
  for (const ticket of due) {
    ticket.parked = false;
    place(tables, ticket);
  }
}

function claim(tables: Tables, ticket: TicketRow | undefined, start: number): boolean {
  if (ticket === undefined || ticket.job.finishedAt !== null) return false;
  const { job, attempt, pool, index, target } = ticket;
  dropTicket(tables, job.id, true);
  const key = attemptKey(job.id, attempt);
  if (tables.permits.has(key)) return false;
  tables.counters.grant += 1;
  const grant = String(tables.counters.grant);
  const startAt = micros(start);
  const grantedAt = tables.now();
  const fresh = { submitting: true, zombieSince: null, checkedAt: null };
  tables.permits.set(key, { grant, job, attempt, pool, index, target, grantedAt, startAt, ...fresh });
  const kind = job.dispatchedAt === null ? 'start' : 'permit';
  job.dispatchedAt ??= tables.now();
  putMail(tables, { job: job.id, kind, attempt, payload: { attempt, target: index, grant }, notBefore: startAt });
  return true;
}

function note(tables: Tables, pool: PoolRow, grants: Grants): void {
  pool.nextStartAt = micros(grants.nextStartAt);
  pool.overlapTokens = grants.overlapTokens;
  pool.overlapAt = tables.now();
  for (const [name, nextStartAt] of grants.targetsNextStartAt) {
    const target = pool.targets.get(name);
    if (target !== undefined) target.nextStartAt = micros(nextStartAt);
  }
  const { strands } = tables.mutations;
  const emptied = (targets: readonly string[]): readonly string[] =>
    strands === true ? [...pool.targets.keys()] : targets;
  pool.line.note({
    lanes: grants.lanes,
    flows: grants.flows.map((flow) => ({ ...flow, emptied: emptied(flow.emptied) })),
    shares: grants.shares,
  });
}

function mutated({ mutations }: Tables, snapshot: PoolSnapshot): Grants {
  if (mutations.starves !== true) return chooseGrants(snapshot);
  const first = Math.min(...snapshot.flows.map((flow) => flow.class));
  return chooseGrants({ ...snapshot, flows: snapshot.flows.filter((flow) => flow.class === first) });
}

function tell({ onPass, ticketsById }: Tables, pool: PoolRow, grants: Grants): void {
  if (grants.granted.length === 0) return;
  const granted = grants.granted.flatMap(({ id }) => ticketsById.get(id) ?? []);
  onPass({ pool, granted, waiting: [...ticketsById.values()].filter((ticket) => ticket.pool === pool.id) });
}
