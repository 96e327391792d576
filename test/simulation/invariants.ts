import type { PoolLimits } from './model-tables.ts';
import type { JobOutcome } from './records.ts';
import type { Operation } from './vendor.ts';
import type { Ending } from './world.ts';

/** What must hold when a run has ended (design.md, section 7), by our records and by the vendors' own books. */
export async function violationsOf(ending: Ending): Promise<readonly string[]> {
  const outcomes = await ending.records.outcomes();
  return [
    ...(ending.isQuiet ? [] : ['things never came to rest']),
    ...(ending.leaks > 0 ? [`${ending.leaks} permits had leaked`] : []),
    ...lost(ending, outcomes),
    ...outcomes.flatMap((outcome) => violationsOfJob(ending, outcome)),
    ...submittedTwice(ending, outcomes),
    ...ending.scenario.pools.flatMap((pool) => [...overLimit(ending, pool), ...overRate(ending, pool)]),
  ];
}

function lost({ scenario }: Ending, outcomes: readonly JobOutcome[]): readonly string[] {
  const known = new Set(outcomes.map(({ id }) => id));
  return scenario.arrivals.flatMap(({ job }) => (known.has(job.id) ? [] : [`${job.id} was accepted and is lost`]));
}

const finalEvents = ['job.completed', 'job.failed', 'job.cancelled'];

function violationsOfJob(ending: Ending, outcome: JobOutcome): readonly string[] {
  const { id, phase, finishedAt, events, attempts, servedAttempt } = outcome;
  if (finishedAt === null) return [`${id} has not ended: ${phase}`];
  const violations: string[] = [];
  const lateMs = finishedAt - endsBy(ending, outcome);
  if (lateMs > 0) violations.push(`${id} ended ${lateMs} ms after its deadline`);
  const finals = events.filter((kind) => finalEvents.includes(kind));
  if (finals.length !== 1 || finals[0] !== `job.${phase}`) violations.push(`${id} is ${phase} by ${finals.join(', ')}`);
  const begunAfter = events
    .slice(events.indexOf(`job.${phase}`))
    .filter((kind) => /^attempt\.(started|queued)$/.test(kind));
  if (begunAfter.length > 0) violations.push(`${id} went on after its end: ${begunAfter.join(', ')}`);
  const served = attempts.find(({ attempt }) => attempt === servedAttempt);
  if ((phase === 'completed') !== (served?.outcome === 'finished'))
    violations.push(`${id} is ${phase} by an attempt that ${served?.outcome ?? 'is not there'}`);
  for (const { attempt, outcome } of attempts) if (outcome === null) violations.push(`${id}.${attempt} has no end`);
  return violations;
}

/** A minute for the sweeper, one for the copy of a video that was there; what the database's clock has jumped comes on top. */
function endsBy({ scenario }: Ending, { runDeadline, queueDeadline, attempts }: JobOutcome): number {
  const jumpedMs = scenario.jumps.reduce((sum, { byMs }) => sum + Math.abs(byMs), 0);
  const copyMs = attempts.some(({ outcome }) => outcome === 'finished') ? 120_000 : 0;
  const outageMs = scenario.outages.reduce((sum, { from, until }) => sum + until - from, 0);
  return (runDeadline ?? queueDeadline) + 60_000 + 2 * scenario.pace.sweepEveryMs + jumpedMs + copyMs + outageMs;
}

/** By the vendors' count. Two attempts of a job at a target without an end between them are possible duplicates, and say so. */
function submittedTwice({ vendor }: Ending, outcomes: readonly JobOutcome[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { order } of vendor.posts) {
    const key = `${order.job}.${order.attempt}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const ledger = new Set(outcomes.flatMap(({ id, attempts }) => attempts.map(({ attempt }) => `${id}.${attempt}`)));
  return [...counts].flatMap(([key, count]) => [
    ...(count > 1 ? [`${key} was submitted ${count} times`] : []),
    ...(ledger.has(key) ? [] : [`${key} was submitted and is not in the ledger`]),
  ]);
}

/**
 * Jobs under way at the vendor, over all time. What has lasted longer than anything can, by the database's clock, counts no
 * more.
 */
function overLimit({ vendor, scenario }: Ending, { id, outstandingMax, targets }: PoolLimits): readonly string[] {
  const of = (name: string | null): readonly Operation[] =>
    vendor.operations.filter(({ target }) => target.pool === id && (name === null || target.name === name));
  const jumpedMs = scenario.jumps.reduce((sum, { byMs }) => sum + Math.max(byMs, 0), 0);
  const most = (operations: readonly Operation[]): number => {
    const changes = operations.flatMap(({ createdAt, endedAt, target }) => [
      { at: createdAt, by: 1 },
      {
        at: Math.max(createdAt, Math.min(endedAt ?? Number.POSITIVE_INFINITY, createdAt + target.longestMs - jumpedMs)),
        by: -1,
      },
    ]);
    let [now, most] = [0, 0];
    for (const { by } of changes.toSorted((one, other) => one.at - other.at || one.by - other.by))
      most = Math.max(most, (now += by));
    return most;
  };
  const bounds = [{ name: null, outstandingMax }, ...targets];
  return bounds.flatMap(({ name, outstandingMax: bound }) => {
    const seen = bound === null ? 0 : most(of(name));
    return seen > (bound ?? 0) ? [`${seen} jobs were under way at ${name ?? id}, of ${bound}`] : [];
  });
}

/**
 * Starts conform to GCRA with a tolerance: for the way from the grant to the POST, and for what goes out late and at once
 * after an outage, a jump of the clock or the death of a worker.
 */
function overRate({ scenario, vendor, kills }: Ending, { id, perMinuteMax }: PoolLimits): readonly string[] {
  const everyMs = 60_000 / perMinuteMax;
  const { outages, jumps, resets, losses, lostAnswerShare } = scenario;
  const mishaps = outages.length + jumps.length + kills + resets.length + losses.length + (lostAnswerShare > 0 ? 5 : 0);
  // Of more than the relay can carry at once the rest is late.
  const crowdedMs = scenario.arrivals.length > 50 ? 2_000 : 0;
  const toleranceMs = 330 + crowdedMs + (mishaps > 0 ? 4_000 : 0) + 4 * mishaps * everyMs;
  let due = 0;
  let worstMs = 0;
  for (const { at, order } of vendor.posts) {
    if (order.target.pool !== id) continue;
    worstMs = Math.max(worstMs, due - at);
    due = Math.max(due, at) + everyMs;
  }
  return worstMs > toleranceMs ? [`starts at ${id} were ${Math.round(worstMs)} ms too early for its rate`] : [];
}
