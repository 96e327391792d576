import { expect, test } from 'vitest';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

// Faster than elsewhere: one test waits out the longest that a video can take.
const stack = useStack(() => ({ env: { SIMULATOR_TIME_SCALE: '0.01' }, providers: ['wavespeed'] }));

const second = 'kwaivgi/kling-v2.5-turbo-pro/text-to-video';

test('the first target is stuck: the second serves, and the slot of the first is taken until the vendor ends it', async () => {
  const { id } = await stack.accept({ prompt: '[sim:stuck@wan-2.6] a slow start' });
  const video = await stack.untilFinal(id);
  expect(video).toMatchObject({ status: 'completed', attempts: 2, served_by: { model: second } });

  const stuck = (await stack.vendor.predictions()).find(({ correlation }) => correlation === `${id}.1`);
  expect(stuck).toMatchObject({ status: 'processing' });
  await until('a check of the first after the longest that it can take', () => wasCheckedLate(id));
  const { rows: zombies } = await stack.pool.query('SELECT attempt FROM permits WHERE zombie_since IS NOT NULL');
  expect(zombies).toEqual([{ attempt: 1 }]);
  await stack.vendor.finish(stuck?.id ?? '');
  await until('the slot is free', async () => (await stack.pool.query('SELECT 1 FROM permits')).rowCount === 0);
  // What it made in the end was bought as well, and nothing else has changed.
  expect(await stack.get(id)).toEqual({ ...video, cost_usd: 0.5 + 0.35 });
});

async function wasCheckedLate(id: string): Promise<boolean> {
  const { rowCount } = await stack.pool.query(
    `SELECT 1 FROM permits p JOIN attempts a USING (job, attempt) JOIN jobs ON jobs.id = p.job
     WHERE p.job = $1
       AND p.checked_at > a.submitted_at + (route -> a.target::int ->> 'longestMs')::float8 * interval '1 millisecond'`,
    [id],
  );
  return rowCount === 1;
}

test('a storm of 500 on one target: whoever may go elsewhere is served there, the others end, and it passes', async () => {
  await stack.vendor.faults([{ share: 1, model: 'wan-2.6', fault: { kind: 'submit-500-before' } }]);
  const post = async (fallback: 'auto' | 'none') =>
    await Promise.all(Array.from({ length: 10 }, (_, index) => stack.accept({ prompt: `storm ${index}`, fallback })));
  const [free, bound] = await Promise.all([post('auto'), post('none')]);
  for (const video of await stack.untilAllFinal(free.map(({ id }) => id)))
    expect(video).toMatchObject({ status: 'completed', served_by: { model: second } });
  for (const video of await stack.untilAllFinal(bound.map(({ id }) => id)))
    expect(video).toMatchObject({ status: 'failed', error: { code: 'ambiguous_submit' } });

  await stack.vendor.faults([]);
  const { id } = await stack.accept({ prompt: 'after the storm' });
  expect(await stack.untilFinal(id)).toMatchObject({ status: 'completed', attempts: 1 });
});
