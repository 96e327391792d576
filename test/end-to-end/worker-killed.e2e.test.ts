import { expect, test } from 'vitest';
import { seeded } from '../support/seeded.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const stack = useStack(() => ({ limits: { outstanding: 12, perMinute: 1_200 } }));

const jobs = 40;
const seed = 7;
const recoveryMs = 100_000;

test('kill -9 of the worker at any moment, under ambiguous submits: nothing is bought twice, nothing is lost', async () => {
  const random = seeded(seed);
  await stack.vendor.faults([
    { share: 0.25, fault: { kind: 'submit-500-after' } },
    { share: 0.25, fault: { kind: 'submit-reset-after' } },
    { share: 0.3, fault: { kind: 'submit-slow', delayMs: 700 } },
  ]);
  const accepted = await Promise.all(
    Array.from({ length: jobs }, (_, index) => stack.accept({ prompt: `under fire ${index}` })),
  );

  for (let submits = 2; submits < jobs; submits += 4 + Math.floor(random() * 14)) {
    await until(`the vendor has ${submits} submits`, async () => (await stack.vendor.counts()).submits >= submits, {
      withinMs: recoveryMs,
      everyMs: 1 + Math.floor(random() * 100),
    });
    await stack.end('worker', 'SIGKILL');
    await stack.start('worker');
  }

  const videos = await stack.untilAllFinal(
    accepted.map(({ id }) => id),
    { withinMs: recoveryMs },
  );
  expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
  for (const { submits } of await stack.vendor.submits()) expect(submits).toBe(1);
});
