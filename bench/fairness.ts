import { setTimeout as delay } from 'node:timers/promises';
import { type Line, type Owner, ownersOf } from './backlog.ts';
import { type Fairness, type FairnessOptions, readWaits, tellFairness, type Wait } from './fairness-report.ts';
import { onOnePool } from './on-one-pool.ts';
import { slotUseOf } from './slot-use.ts';
import { type Stage, startWorkers } from './stage.ts';
import type { Vendor } from './start-vendor.ts';

const deepTenant = 'a';
/** Who comes beside A's crowd, in turns. */
const singlesOwners: readonly (Owner & { readonly kind: Wait['kind'] })[] = [
  { kind: 'other tenant', tenant: 'b', user: '' },
  { kind: 'other user', tenant: deepTenant, user: 'b' },
];
const submittedWithinMs = 120_000;

/** How long a job waits whose tenant, or user, has no other, beside somebody who has a hundred thousand. */
export async function benchFairness(options: FairnessOptions, say: (line: string) => void): Promise<object> {
  return await onOnePool(options, async ({ stage, vendor, line, programs }) => {
    await line.add(ownersOf({ jobs: options.deep, tenant: deepTenant, users: options.users }));
    programs.push(...(await startWorkers(stage, { count: 1 })));
    return await tellFairness(await run({ stage, line, vendor, options }), say);
  });
}

interface Running {
  readonly stage: Stage;
  readonly line: Line;
  readonly vendor: Vendor;
  readonly options: FairnessOptions;
}

async function run({ stage, line, vendor, options }: Running): Promise<Fairness> {
  const videoMs = options.videoSeconds * 1_000;
  // The first wave begins at once and ends at once: after a few the slots are out of step, as they are in a long queue.
  await delay(5 * videoMs);
  const from = Date.now();
  const kinds = new Map<string, Wait['kind']>();
  for (let index = 0; index < options.singles; index += 1) {
    const owner = singlesOwners[index % singlesOwners.length];
    if (owner === undefined) break;
    const [job] = await line.add([owner]);
    if (job !== undefined) kinds.set(job.id, owner.kind);
    // At every phase of the pool's slots: not in step with them.
    await delay(videoMs * (0.6 + 0.4 * ((index * 0.618) % 1)));
  }
  const to = Date.now();
  const waits = await readWaits(stage.databaseUrl, { kinds, withinMs: submittedWithinMs });
  const books = await vendor.readBooks();
  const { durationsMs } = books;
  return {
    options,
    waits,
    videoMs: durationsMs.reduce((sum, ms) => sum + ms, 0) / Math.max(1, durationsMs.length),
    backlogLeft: await line.countWaiting(),
    use: slotUseOf(books, { from, to, slots: options.slots }).share,
  };
}
