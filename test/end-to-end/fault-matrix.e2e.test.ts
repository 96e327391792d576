import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useStack } from '../support/stack.ts';
import { faultCases, type FaultCase } from './fault-cases.ts';
import { renderFaults, type Outcome } from './render-faults.ts';

const vendors = ['wavespeed', 'fal', 'replicate', 'runway'] as const;
type Vendor = (typeof vendors)[number];

/** Each vendor first on a route of its own, with somebody sound behind it. */
const routes: Readonly<Record<Vendor, { readonly model: string; readonly targets: readonly string[] }>> = {
  wavespeed: { model: 'first-wavespeed', targets: ['wavespeed/wan-2.6', 'fal/kling-2.6'] },
  fal: { model: 'first-fal', targets: ['fal/wan-2.6', 'wavespeed/kling-2.6'] },
  replicate: { model: 'first-replicate', targets: ['replicate/wan-2.6', 'wavespeed/kling-2.6'] },
  runway: { model: 'first-runway', targets: ['runway/gen-4.5', 'wavespeed/kling-2.6'] },
};

const stack = useStack(() => ({
  models: Object.fromEntries(Object.values(routes).map(({ model, targets }) => [model, [...targets]])),
  // All faults are played at the same few targets: a breaker would leave them alone after the first.
  env: { SIMULATOR_TIME_SCALE: '0.02', BREAKERS: 'off' },
}));

/**
 * Every fault that the simulator can play, at every vendor, against real processes. The outcomes are published as
 * docs/faults.md; `npx vitest run --project end-to-end -u fault-matrix` writes it anew, and a diff of it is reviewed like
 * code. The auditor goes over all of them afterwards.
 */
test('every fault at every vendor has the outcome that docs/faults.md publishes', { timeout: 300_000 }, async () => {
  // A refusal for load slows its account down for everybody: those are played when nobody else is under way.
  const isForLoad = ({ kind }: FaultCase): boolean => kind.includes('429');
  const runs = [
    ...(await play(faultCases.filter((fault) => !isForLoad(fault)))),
    ...(await play(faultCases.filter(isForLoad))),
  ];
  // What is tidied up after the end, such as a stop at the vendor, is part of the outcome.
  await stack.expectSound();
  const read = await readOutcomes();
  const outcomes = runs.map((run) => ({ ...run, outcome: read(run.id) }));
  for (const { fault, vendor, outcome } of outcomes)
    expect(outcome.submitsMax, `${fault.kind} at ${vendor}: submits of one attempt`).toBeLessThanOrEqual(1);
  const markdown = renderFaults(vendors, faultCases, (kind, vendor) => {
    const found = outcomes.find((run) => run.fault.kind === kind && run.vendor === vendor);
    if (found === undefined) throw new Error(`nobody tried ${kind} at ${vendor}`);
    return found.outcome;
  });
  await expect(markdown).toMatchFileSnapshot(join(import.meta.dirname, '../../docs/faults.md'));
});

async function play(faults: readonly FaultCase[]) {
  const runs = await Promise.all(
    faults.flatMap((fault) => vendors.map(async (vendor) => ({ fault, vendor, id: await order(vendor, fault) }))),
  );
  await stack.untilAllFinal(
    runs.map(({ id }) => id),
    { withinMs: 200_000 },
  );
  return runs;
}

/** Patient, but for the fault that patience is for: what is late is then not a race of two targets. */
async function order(vendor: Vendor, { kind, marker }: FaultCase): Promise<string> {
  const prompt = `[sim:${marker.replace(/^[a-z0-9-]+/, (name) => `${name}@${vendor}/`)}] a harbour`;
  const patience = kind === 'stuck' ? {} : { patience_seconds: 3_600 };
  const { id } = await stack.accept({ model: routes[vendor].model, prompt, ...patience });
  return id;
}

interface JobRow {
  readonly id: string;
  readonly status: string;
  readonly code: string | null;
  readonly servedBy: number | null;
  readonly triesAtFirst: number;
  readonly firstCode: string | null;
  readonly firstEvidence: string | null;
}

/** All jobs at once: a hundred of them asked for one by one are more than a busy machine answers in time. */
async function readOutcomes(): Promise<(id: string) => Outcome> {
  const submits = await stack.vendor.submits();
  // Of what we stop, the vendor's callback and our own check tell in either order.
  // A submit that stays ambiguous is given up after its longest duration, which is soon here and of no interest.
  const { rows } = await stack.pool.query<JobRow>(
    `SELECT j.id, j.phase AS status, j.failure ->> 'code' AS code, served.target AS "servedBy",
            (SELECT count(*)::int FROM attempts a WHERE a.job = j.id AND a.target = 0) AS "triesAtFirst",
            CASE WHEN first.ended_at > j.finished_at AND first.operation IS NOT NULL THEN 'stop'
                 WHEN first.state <> 'unknown' OR first.operation IS NOT NULL THEN first.evidence END AS "firstEvidence",
            CASE WHEN first.ended_at > j.finished_at AND first.operation IS NOT NULL THEN NULL
                 WHEN first.state = 'unknown' AND first.operation IS NULL THEN 'ambiguous_submit'
                 ELSE coalesce(first.failure ->> 'code', (
                   SELECT data ->> 'failure' FROM job_events e
                   WHERE e.job = j.id AND e.kind = 'asset.failed' AND (e.data ->> 'attempt')::int = 1)) END AS "firstCode"
     FROM jobs j
     JOIN attempts first ON first.job = j.id AND first.attempt = 1
     LEFT JOIN attempts served ON served.job = j.id AND served.attempt = j.served_attempt`,
  );
  return (id) => {
    const row = rows.find((candidate) => candidate.id === id);
    if (row === undefined) throw new Error(`${id} was never submitted`);
    const counts = new Map<string, number>();
    for (const { correlation = '', submits: count } of submits)
      if (correlation.startsWith(id)) counts.set(correlation, (counts.get(correlation) ?? 0) + count);
    const servedBy = row.servedBy === null ? null : row.servedBy === 0 ? 'first' : 'second';
    return { ...row, servedBy, submitsMax: Math.max(0, ...counts.values()) };
  };
}
