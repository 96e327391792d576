import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import type { TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import type { FaultPlan } from '../src/simulator/fault.ts';
import { messageOf, forkProgram, type Program } from './program.ts';
import type { BurstPlan, BurstReport } from './burst-client.ts';
import { root } from './root.ts';
import { openStage, type Stage, startSimulator, startSpillway } from './stage.ts';

/** Where `wan-2.6` is made, in order: the primary and its fallback. */
export const primary = 'wavespeed/wan-2.6';

/** Two targets of one account: what is wasted at one of them is missing at the other. */
export const sameAccount = 'wavespeed/kling-2.5-turbo';
/** A target of another vendor's account. */
export const otherAccount = 'fal/wan-2.6';

export interface FailoverPlan {
  readonly temporal: TemporalServerKind;
  readonly fallback: typeof sameAccount | typeof otherAccount;
  /** That each account may have under way at once. */
  readonly slots: number;
}

/** The whole system beside vendors that take a twentieth of their time. */
export interface FailoverStage {
  readonly stage: Stage;
  order(jobs: number): Promise<readonly string[]>;
  setFaults(plan: FaultPlan): Promise<void>;
  /** What reached the vendors so far. */
  countSubmits(): Promise<number>;
  stop(): Promise<void>;
}

const timeScale = '0.05';
/** Of a video that usually takes a minute: at twice its latency most are left. */
const patienceSeconds = 90;
const answerMsMax = 10_000;
/** A machine that is busy turns some away with a 503. */
const orderTriesMax = 10;

export async function openFailoverStage(plan: FailoverPlan): Promise<FailoverStage> {
  const stage = await openStage({ temporal: plan.temporal });
  const programs: Program[] = [];
  const stop = async (): Promise<void> => {
    for (const program of programs.toReversed()) await program.stop();
    await stage.stop();
  };
  try {
    await changeCatalogue(stage.cataloguePath, plan);
    const env = { SIMULATOR_TIME_SCALE: timeScale };
    programs.push(await startSimulator(stage, timeScale));
    programs.push(await startSpillway(stage, 'api', env), await startSpillway(stage, 'worker', env));
  } catch (error) {
    await stop();
    throw error;
  }
  const control = `http://127.0.0.1:${stage.ports.simulator}/control`;
  return {
    stage,
    stop,
    order: (jobs) => orderJobs(stage, jobs),
    async setFaults(faults) {
      const request = { method: 'POST', body: JSON.stringify(faults), signal: AbortSignal.timeout(answerMsMax) };
      const answer = await fetch(`${control}/faults`, request);
      if (!answer.ok) throw new Error(`The simulator refused the faults: ${await answer.text()}`);
    },
    async countSubmits() {
      const answer = await fetch(`${control}/counts`, { signal: AbortSignal.timeout(answerMsMax) });
      return z.object({ submits: z.number() }).parse(await answer.json()).submits;
    },
  };
}

const catalogueSchema = z.looseObject({
  providers: z.record(z.string(), z.looseObject({ pools: z.record(z.string(), z.unknown()) })),
  models: z.record(
    z.string(),
    z.looseObject({ targets: z.array(z.string()), fallbacks: z.array(z.string()).optional() }),
  ),
  targets: z.record(z.string(), z.looseObject({ typical_seconds: z.unknown(), patience_seconds: z.unknown() })),
});

/** Rates are far away: what is to be seen is what becomes of the slots. */
async function changeCatalogue(path: string, { fallback, slots }: FailoverPlan): Promise<void> {
  const catalogue = catalogueSchema.parse(parse(await readFile(path, 'utf8')));
  const limits = { outstanding: slots, per_minute: 60_000 };
  for (const [name, provider] of Object.entries(catalogue.providers)) provider.pools = { [name]: limits };
  const model = catalogue.models['wan-2.6'];
  if (model === undefined) throw new Error('models.yaml has no model wan-2.6, which this bench orders.');
  Object.assign(model, { targets: [primary, fallback], fallbacks: [] });
  for (const name of [primary, fallback]) {
    const patience = { value: patienceSeconds, assumed: true };
    Object.assign(catalogue.targets[name] ?? {}, { patience_seconds: patience });
  }
  await writeFile(path, stringify(catalogue));
}

async function orderJobs(stage: Stage, jobs: number): Promise<readonly string[]> {
  const client = forkProgram({ name: 'client', script: join(root, 'bench/burst-client.ts') });
  try {
    const url = `http://127.0.0.1:${stage.ports.api}/v1/videos`;
    const ids: string[] = [];
    for (let tries = 0; ids.length < jobs; tries += 1) {
      if (tries === orderTriesMax)
        throw new Error(`Of ${jobs} jobs ${ids.length} were accepted: is this machine busy?`);
      const reported = messageOf<BurstReport>(client, 'report');
      client.child.send({ url, apiKey: stage.apiKey, jobs: jobs - ids.length } satisfies BurstPlan);
      ids.push(...(await reported).ids);
    }
    return ids;
  } finally {
    await client.stop();
  }
}
