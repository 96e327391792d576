import { weightOf } from '../../src/domain/lanes.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { priorities } from '../../src/domain/job.ts';
import type { PassSeen, PoolRow, TicketRow } from './model-tables.ts';

/** Sees every grant pass, and says what was unfair. */
export interface FairnessWatch {
  readonly onPass: (pass: PassSeen) => void;
  readonly violations: () => readonly string[];
}

/**
 * While a class waits, the others get no more than twice their shares before it has its turn; while a flow waits, its tenant's
 * other flows and the other tenants get no more than twice theirs. Who waits for a target with limits of its own may have to wait for those.
 */
export function createFairnessWatch(runMs: () => number): FairnessWatch {
  const passedOver = new Map<string, number>();
  const flowsSeen = new Map<string, Set<string>>();
  const violations = new Set<string>();
  const overlaps = new Map<string, { ordinary: number; overlapping: number }>();

  const count = (key: string, isServed: boolean, most: number): void => {
    const times = isServed ? 0 : (passedOver.get(key) ?? 0) + 1;
    passedOver.set(key, times);
    if (times > most) violations.add(`${key} was passed over more than ${most} times`);
  };
  const countGrant = (granted: TicketRow, waiting: Waiting): void => {
    for (const index of waiting.classes)
      count(`${granted.pool} class ${index}`, granted.class === index, mostOf(index));
    const flows = [...waiting.flows].filter(([, { class: index }]) => index === granted.class);
    const known = flowsSeen.get(`${granted.pool} ${granted.class}`) ?? new Set();
    flowsSeen.set(`${granted.pool} ${granted.class}`, known);
    for (const [key] of [...flows, [flowOf(granted)]]) known.add(key);
    for (const [key] of flows) count(key, key === flowOf(granted), 2 * turnsOf(known) + 2);
  };
  return {
    onPass({ pool, granted, waiting: tickets }) {
      const left = new Set(tickets.filter((ticket) => isFree(pool, ticket)));
      const shown = left.size === 0 ? [] : [...left];
      forgetIdle(passedOver, pool.id, waitingOf(shown));
      for (const ticket of granted) {
        if (ticket.kind !== 'overlap') countGrant(ticket, waitingOf([...left]));
        left.delete(ticket);
      }
      const before = overlaps.get(pool.id) ?? { ordinary: 0, overlapping: 0 };
      before.overlapping += granted.filter(({ kind }) => kind === 'overlap').length;
      before.ordinary += granted.filter(({ kind }) => kind !== 'overlap').length;
      overlaps.set(pool.id, before);
    },
    violations: () => [...violations, ...overBudget(overlaps, runMs())],
  };
}

/** How many turns of its class a flow may wait for its own: each of its tenant's flows is a turn of every tenant. */
function turnsOf(flows: ReadonlySet<string>): number {
  const counts = new Map<string, number>();
  for (const key of flows) {
    const tenant = key.split(' ')[3] ?? '';
    counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
  }
  return counts.size * Math.max(...counts.values());
}

interface Waiting {
  readonly classes: ReadonlySet<number>;
  readonly flows: ReadonlyMap<string, TicketRow>;
}

function waitingOf(tickets: readonly TicketRow[]): Waiting {
  return {
    classes: new Set(tickets.map((ticket) => ticket.class)),
    flows: new Map(tickets.map((ticket) => [flowOf(ticket), ticket])),
  };
}

/** Who does not wait is not passed over. */
function forgetIdle(passedOver: Map<string, number>, pool: string, { classes, flows }: Waiting): void {
  for (const key of passedOver.keys()) {
    if (!key.startsWith(`${pool} `)) continue;
    const isWaiting = flows.has(key) || [...classes].some((index) => key === `${pool} class ${index}`);
    if (!isWaiting) passedOver.delete(key);
  }
}

function isFree({ targets }: PoolRow, { target, kind }: TicketRow): boolean {
  const own = targets.get(target);
  return kind === 'first' && own?.outstandingMax == null && own?.perMinuteMax == null && own?.admits == null;
}

function flowOf({ pool, class: index, tenant, caller }: TicketRow): string {
  return `${pool} flow ${index} ${tenant} ${caller}`;
}

/** The shares of all others, twice: a class that was ahead of its share pays that back. */
function mostOf(index: number): number {
  const all = priorities.reduce((sum, _, other) => sum + weightOf(other), 0);
  return 2 * Math.ceil(all / weightOf(index)) + 4;
}

/** One token at first, a tenth for each ordinary grant, and a trickle for a quiet pool. */
function overBudget(
  overlaps: ReadonlyMap<string, { readonly ordinary: number; readonly overlapping: number }>,
  runMs: number,
): readonly string[] {
  return [...overlaps].flatMap(([pool, { ordinary, overlapping }]) => {
    const most = 1 + limits.overlapShareOfGrants * ordinary + runMs / limits.overlapTokenEveryMs;
    return overlapping > most + 0.001 ? [`${overlapping} overlaps at ${pool}, of ${most.toFixed(1)}`] : [];
  });
}
