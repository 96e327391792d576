import { Client } from 'pg';
import { grantPass } from '../src/dispatch/grant-pass.ts';
import { limits } from '../src/domain/limits/limits.ts';
import { readCpu } from './cpu.ts';
import { type GrantLine, openGrantsStage } from './grants-stage.ts';
import { percentilesOf } from './histogram.ts';
import { rounded, table } from './table.ts';

export interface GrantsOptions {
  /** Of each of the four lines. */
  readonly grants: number;
  readonly backlogs: readonly [few: number, many: number];
  /** Jobs at the account all the while. */
  readonly held: number;
  /** One snapshot is held all the while, as by a forgotten transaction: nothing that is dead can be removed. */
  readonly pinned: boolean;
}

interface Cost {
  readonly shape: Shape['name'];
  readonly backlog: number;
  readonly grants: number;
  /** Of a pass of fifty, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of Postgres a grant: the passes, and the vacuum of what they leave. */
  readonly cpuUs: number;
  readonly vacuumUs: number;
  readonly deadTuples: number;
}

interface Shape {
  readonly name: 'deep' | 'wide';
  readonly says: string;
  users(backlog: number): number;
}

const shapes: readonly Shape[] = [
  { name: 'deep', says: 'fifty flows', users: () => 50 },
  // More users than jobs that wait at once: hardly anybody has two.
  { name: 'wide', says: 'a flow a job', users: (backlog) => backlog * 2 },
];

/** What a grant costs Postgres while few wait and while many do. */
export async function benchGrants(options: GrantsOptions, say: (line: string) => void): Promise<object> {
  const stage = await openGrantsStage();
  const costs: Cost[] = [];
  try {
    for (const shape of shapes) {
      const runs: Run[] = [];
      for (const backlog of options.backlogs) {
        const line = await stage.open(`grants_${shape.name}_${backlog}`, {
          users: shape.users(backlog),
          held: options.held,
        });
        runs.push({ shape, backlog, line, passesMs: [], granted: 0, cpu: { grants: 0, vacuum: 0 } });
      }
      costs.push(...(await compare(runs, options)));
    }
  } finally {
    await stage.stop();
  }
  say(
    `grants: passes of ${limits.grantsOfPassMax}, ${options.held} held, VACUUM every ${vacuumEvery} grants${options.pinned ? ', one snapshot pinned' : ''}`,
  );
  say(tableOf(costs));
  const ratios = shapes.map(({ name }) => ratioOf(costs.filter(({ shape }) => shape === name)));
  return {
    bench: 'grants',
    pinned: options.pinned,
    figure: rounded(Math.max(...ratios)),
    unit: 'cost at the larger backlog over cost at the smaller',
    cpu_us_a_grant: rounded(Math.max(...costs.map(({ cpuUs, vacuumUs }) => cpuUs + vacuumUs))),
    costs,
  };
}

interface Run {
  readonly shape: Shape;
  readonly backlog: number;
  readonly line: GrantLine;
  readonly passesMs: number[];
  granted: number;
  readonly cpu: { grants: number; vacuum: number };
}

/** The lines take turns, so that whatever else the machine does is in the figures of both. */
async function compare(runs: readonly Run[], { grants, pinned }: GrantsOptions): Promise<readonly Cost[]> {
  const pins: Client[] = [];
  for (const { line, backlog } of runs) {
    await line.accept(backlog);
    // The first passes take the line in; they are not what a grant costs.
    await serve(line, warmUpPasses);
    await line.vacuum();
    if (pinned) pins.push(await pin(line));
  }
  while (runs.some((run) => run.granted < grants)) for (const run of runs) await slice(run);
  for (const client of pins) await client.end();
  return await Promise.all(runs.map(costOf));
}

const slicePasses = 50;
const warmUpPasses = 40;
const vacuumEvery = 10_000;

async function slice(run: Run): Promise<void> {
  const measured = await run.line.measured();
  const before = await readCpu(measured);
  const from = run.granted;
  await serve(run.line, slicePasses, run);
  // As the reconciler does it.
  if (Math.floor(run.granted / vacuumEvery) > Math.floor(from / vacuumEvery)) await run.line.vacuum();
  const after = await readCpu(measured);
  for (const name of ['grants', 'vacuum'] as const)
    run.cpu[name] += (after.msByName.get(name) ?? 0) - (before.msByName.get(name) ?? 0);
}

async function serve(line: GrantLine, passes: number, run?: Run): Promise<void> {
  const deps = { pool: line.granter, submittingMax: 1_000_000, startSlots: () => 1_000_000 };
  for (let pass = 0; pass < passes; pass += 1) {
    const from = performance.now();
    const granted = await grantPass(deps);
    run?.passesMs.push(performance.now() - from);
    if (run) run.granted += granted;
    await line.release();
    await line.accept(granted);
  }
}

async function pin(line: GrantLine): Promise<Client> {
  const client = new Client({ connectionString: line.granter.options.connectionString });
  await client.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT count(*) FROM pools');
  return client;
}

async function costOf({ shape, backlog, line, passesMs, granted, cpu }: Run): Promise<Cost> {
  const { p50, p99 } = percentilesOf(passesMs);
  const deadTuples = await line.deadTuples();
  await line.close();
  const usAGrant = (ms: number): number => rounded((ms * 1_000) / granted);
  return {
    shape: shape.name,
    backlog,
    grants: granted,
    p50: rounded(p50),
    p99: rounded(p99),
    cpuUs: usAGrant(cpu.grants),
    vacuumUs: usAGrant(cpu.vacuum),
    deadTuples,
  };
}

function ratioOf(costs: readonly Cost[]): number {
  const [few, many] = costs.toSorted((one, other) => one.backlog - other.backlog);
  return few && many ? (many.cpuUs + many.vacuumUs) / (few.cpuUs + few.vacuumUs) : Number.NaN;
}

function tableOf(costs: readonly Cost[]): string {
  const rows = costs.map((cost) => [
    `${shapes.find(({ name }) => name === cost.shape)?.says ?? ''}, ${cost.backlog.toLocaleString('en-US')} wait`,
    cost.p50,
    cost.p99,
    cost.cpuUs,
    cost.vacuumUs,
    cost.deadTuples,
  ]);
  return table([['', 'p50 ms', 'p99 ms', 'CPU µs a grant', 'vacuum µs', 'dead tuples'], ...rows]);
}
