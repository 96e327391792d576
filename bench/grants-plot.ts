import { z } from 'zod';
import { barChart, writePlot } from './plot.ts';

/** What of the bench `grants` is drawn: its line of JSON has it. */
const resultSchema = z.object({
  pinned: z.boolean(),
  costs: z.array(z.object({ shape: z.string(), backlog: z.number(), cpuUs: z.number(), vacuumUs: z.number() })),
});

/** The most that a grant may cost Postgres, by the issue. */
const aimUs = 150;

/** What a grant costs, by who waits. */
export async function plotGrants(result: unknown): Promise<string> {
  const { pinned, costs } = resultSchema.parse(result);
  const svg = barChart({
    title: `What a grant costs Postgres${pinned ? ', one snapshot pinned' : ''}`,
    subtitle: 'deep: fifty flows; wide: a flow a job. Vacuum of what grants leave is in it',
    y: 'µs of CPU a grant',
    bars: costs.map(({ shape, backlog, cpuUs, vacuumUs }) => ({
      name: `${shape}, ${backlog.toLocaleString('en-US')}`,
      value: cpuUs + vacuumUs,
    })),
    marks: [{ name: `aim ${aimUs} µs`, value: aimUs }],
  });
  return await writePlot(pinned ? 'grants-pinned' : 'grants', svg);
}
