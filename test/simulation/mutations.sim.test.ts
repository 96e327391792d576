import { expect, test } from 'vitest';
import type { Mutations } from './model-tables.ts';
import { judge } from './seeds.ts';

/** Faults of our own, what the simulation says of them, and the seeds within which it does. */
const faults: readonly {
  readonly fault: keyof Mutations;
  readonly says: RegExp;
  readonly seeds: readonly [number, number];
}[] = [
  { fault: 'ignoresZombies', says: /jobs were under way at/, seeds: [2_100, 2_200] },
  { fault: 'forgetsLedger', says: /was submitted 2 times/, seeds: [2_000, 2_050] },
  { fault: 'ignoresRate', says: /too early for its rate/, seeds: [2_000, 2_050] },
  { fault: 'startsEarly', says: /too early for its rate/, seeds: [2_000, 2_050] },
  { fault: 'starves', says: /class \d was passed over/, seeds: [2_007, 2_008] },
  { fault: 'strands', says: /tickets are stranded/, seeds: [2_000, 2_050] },
  { fault: 'keepsPermits', says: /permits had leaked/, seeds: [2_000, 2_010] },
  { fault: 'keepsTickets', says: /never came to rest/, seeds: [2_000, 2_050] },
  { fault: 'ignoresOverlapBudget', says: /overlaps at/, seeds: [2_100, 2_300] },
  { fault: 'settlesTwice', says: /job\.completed, job\.completed/, seeds: [2_000, 2_050] },
];

test.each(faults)(
  'a system that $fault is found out',
  async ({ fault, says, seeds: [from, until] }) => {
    for (let seed = from; seed < until; seed += 1) {
      const violations = await judge(seed, { [fault]: true });
      if (violations.some((violation) => says.test(violation))) return;
    }
    expect.unreachable(`nothing was noticed in seeds ${from} to ${until}`);
  },
  60_000,
);

test('a seed has one history: what failed once fails again', async () => {
  const first = await judge(2_003, { forgetsLedger: true });
  expect(first.length).toBeGreaterThan(0);
  expect(await judge(2_003, { forgetsLedger: true })).toEqual(first);
});
