import { join } from 'node:path';
import { z } from 'zod';
import { forkProgram, messageOf, type Program } from './program.ts';
import { root } from './root.ts';
import type { Stage } from './stage.ts';
import type { VendorBooks, VendorOpen, VendorPlan } from './vendor.ts';

export interface Vendor {
  readonly program: Program;
  /** All that happened at WaveSpeed since the start. */
  readBooks(): Promise<VendorBooks>;
  /** What WaveSpeed's account says of submits so far. */
  readSubmits(): Promise<Submits>;
}

export interface Submits {
  readonly all: number;
  /** Turned away with a 429, or for whatever else. */
  readonly rejected: number;
}

const countsSchema = z.object({
  by_vendor: z.object({ wavespeed: z.object({ submits: z.number(), rejected: z.record(z.string(), z.number()) }) }),
});

/** The vendors with limits and durations of the bench's own, and books of every video. */
export async function startVendor(stage: Stage, wish: Pick<VendorPlan, 'limits' | 'videoSeconds'>): Promise<Vendor> {
  const program = forkProgram({ name: 'simulator', script: join(root, 'bench/vendor.ts') });
  const opened = messageOf<VendorOpen>(program, 'open');
  const { webhookSecret, ports } = stage;
  program.child.send({ kind: 'open', port: ports.simulator, webhookSecret, ...wish } satisfies VendorPlan);
  await opened;
  return {
    program,
    async readBooks() {
      const books = messageOf<VendorBooks>(program, 'books');
      program.child.send({ kind: 'read' });
      return await books;
    },
    async readSubmits() {
      const answer = await fetch(`http://127.0.0.1:${ports.simulator}/control/counts`, {
        signal: AbortSignal.timeout(10_000),
      });
      const { submits, rejected } = countsSchema.parse(await answer.json()).by_vendor.wavespeed;
      return { all: submits, rejected: Object.values(rejected).reduce((sum, count) => sum + count, 0) };
    },
  };
}
