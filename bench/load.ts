import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cpuBetween, type CpuUse, readCpu } from './cpu.ts';
import type { CountingBegins, LoadPlan, LoadReport } from './load-generator.ts';
import { forkProgram, messageOf, type Program } from './program.ts';
import { root } from './root.ts';
import type { Stage } from './stage.ts';
import { withClient } from './transactions.ts';

export interface Offer {
  readonly plan: LoadPlan;
  /** Whose CPU is read beside that of the servers and of the generator. */
  readonly programs: readonly Program[];
}

export interface Offered {
  readonly report: LoadReport;
  readonly cpu: CpuUse;
}

/** Lets the generator make its requests, and reads the CPU from the end of its warm-up on. */
export async function offerLoad(stage: Stage, { plan, programs }: Offer): Promise<Offered> {
  const generator = forkProgram({ name: 'load', script: join(root, 'bench/load-generator.ts') });
  try {
    const measured = [...stage.servers, ...programs, generator];
    const counting = messageOf<CountingBegins>(generator, 'counting');
    const reported = messageOf<LoadReport>(generator, 'report');
    generator.child.send(plan);
    await counting;
    const before = await readCpu(measured);
    const report = await reported;
    const after = await readCpu(measured);
    return { report, cpu: cpuBetween(before, after, availableParallelism()) };
  } finally {
    await generator.stop();
  }
}

export function idsFileOf({ directory }: Pick<Stage, 'directory'>): string {
  return join(directory, 'accepted-ids');
}

const idsOfQuery = 5_000;

/** Looks every single id up that a client was given with a 202. */
export async function countLost(stage: Stage): Promise<{ readonly lost: number; readonly ids: readonly string[] }> {
  const ids = (await readFile(idsFileOf(stage), 'utf8')).split('\n').filter((id) => id !== '');
  return await withClient(stage.databaseUrl, async (client) => {
    let lost = ids.length - new Set(ids).size;
    for (let from = 0; from < ids.length; from += idsOfQuery) {
      const { rows } = await client.query<{ lost: number }>(
        'SELECT count(*)::int AS lost FROM unnest($1::text[]) AS asked(id) WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = asked.id)',
        [ids.slice(from, from + idsOfQuery)],
      );
      lost += rows[0]?.lost ?? 0;
    }
    return { lost, ids };
  });
}
