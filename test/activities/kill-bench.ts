import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { createApp } from '../../src/api/app.ts';
import { listen } from '../../src/api/server.ts';
import type { SubmitOrder } from '../../src/contracts/activities.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { planOneTarget } from '../api/api-bench.ts';
import { until } from '../support/until.ts';
import { createVendorControl, type VendorControl } from '../support/vendor-control.ts';
import { type ActivityBench, apiKey, openActivityBench, webhookSecret } from './activity-bench.ts';
import type { KillPlan } from './kill-plan.ts';

/** One submit on its way: killed as often as it is still to be, and begun again by another process. */
export interface KillRun {
  readonly plan: KillPlan;
  readonly order: SubmitOrder;
  /** How many of its processes were killed so far. */
  kills: number;
  /** What the last process was told; absent before one came to the end. */
  answer?: string;
}

export interface KillBench extends ActivityBench {
  readonly vendor: VendorControl;
  /** Where vendors and processes reach the API. */
  readonly publicUrl: string;
  /**
   * Has a process submit for all of these and kills it once each has come to its point, or to its end. `onPoint` is
   * called while those at their points stand still. Returns those that were killed.
   */
  liveAndDie(
    runs: readonly KillRun[],
    onPoint: (standing: readonly KillRun[]) => Promise<void>,
  ): Promise<readonly KillRun[]>;
}

const saidSchema = z.union([
  z.literal('ready'),
  z.object({ jobId: z.string(), at: z.string() }),
  z.object({ jobId: z.string(), answer: z.object({ kind: z.string() }) }),
]);

/** The bench of activities, with the API's own callback route before it, and processes to kill. */
export async function openKillBench(): Promise<KillBench> {
  const bench = await openActivityBench();
  const provider = createProvider('wavespeed', { baseUrl: `${bench.simulator}/wavespeed`, apiKey, webhookSecret });
  const app = createApp({
    pool: bench.pool,
    plan: planOneTarget,
    models: [],
    providers: new Map([['wavespeed', provider]]),
    store: bench.store,
    clock: Date.now,
    defaultModel: 'wan-2.6',
    notifyMail: () => undefined,
    notifyAccepted: () => undefined,
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
  });
  const server = await listen(app.handler, { host: '127.0.0.1', port: 0 });
  const vendor = createVendorControl(bench.simulator);
  const args = [bench.url, bench.simulator, server.url, apiKey];
  return {
    ...bench,
    vendor,
    publicUrl: server.url,
    liveAndDie: (runs, onPoint) => liveAndDie(runs, { args, vendor, onPoint }),
    async close() {
      await server.close(1_000);
      await app.drain();
      await bench.close();
    },
  };
}

interface Life {
  readonly args: readonly string[];
  readonly vendor: VendorControl;
  readonly onPoint: (standing: readonly KillRun[]) => Promise<void>;
}

const patience = { withinMs: 60_000, everyMs: 10 };

async function liveAndDie(runs: readonly KillRun[], { args, vendor, onPoint }: Life): Promise<readonly KillRun[]> {
  const child = fork(fileURLToPath(new URL('submitting-process.ts', import.meta.url)), args, {
    execArgv: ['--import', 'tsx'],
  });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  let isReady = false;
  const standing = new Set<KillRun>();
  const waited = new Map(runs.map((run) => [run.order.jobId, run]));
  child.on('message', (message) => {
    const said = saidSchema.parse(message);
    if (said === 'ready') return void (isReady = true);
    const run = waited.get(said.jobId);
    if (run === undefined) return;
    waited.delete(said.jobId);
    if ('at' in said) standing.add(run);
    else run.answer = said.answer.kind;
  });
  try {
    await until('a process to submit', () => isReady, patience);
    for (const { plan, order, kills } of runs) child.send({ order, standsAt: plan.killedAt[kills] ?? null });
    await until('each is at its point', () => waited.size === 0, patience);
    await until('the vendor has what it is to have', () => areHeard([...standing], vendor), patience);
    await onPoint([...standing]);
  } finally {
    child.kill('SIGKILL');
  }
  const end = await ended;
  if (end !== 'SIGKILL') throw new Error(`a process was not killed, it ended by itself: ${String(end)}`);
  for (const run of standing) run.kills += 1;
  return [...standing];
}

async function areHeard(standing: readonly KillRun[], vendor: VendorControl): Promise<boolean> {
  const waiting = standing.filter(({ plan, kills }) => plan.killedAt[kills] === 'posting' && plan.isHeard);
  if (waiting.length === 0) return true;
  const submits = new Set((await vendor.submits()).map(({ correlation }) => correlation));
  return waiting.every(({ order }) => submits.has(`${order.jobId}.${order.attempt}`));
}
