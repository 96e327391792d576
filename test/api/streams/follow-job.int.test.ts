import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginDatabaseWait } from '../../../src/api/database-wait.ts';
import { followJob } from '../../../src/api/streams/follow-job.ts';
import type { JobFollower } from '../../../src/api/streams/job-topics.ts';
import type { VideoObject } from '../../../src/api/reading/video-object.ts';
import { until } from '../../support/until.ts';
import { type ApiBench, openApiBench } from '../api-bench.ts';

let bench: ApiBench;
beforeAll(async () => {
  bench = await openApiBench();
});
afterAll(() => bench.close());

async function read(id: string): Promise<VideoObject> {
  return await (await bench.get(`/v1/videos/${id}`)).json();
}

test('an end that is seen while the beginning is read is told, and not waited for again', async () => {
  const { id } = await (await bench.post({ prompt: 'a fox' })).json();
  const before = await read(id);
  let follower: JobFollower | undefined;
  const topics = {
    count: () => 1,
    stop: () => undefined,
    join: async (_owned: unknown, joined: JobFollower) => {
      follower = joined;
      return { leave: () => undefined };
    },
  };
  /** The job ends after it was read, and its last snapshot is told before the reading is over. */
  const findVideo = async (): Promise<VideoObject> => {
    await bench.database.pool.query(`SELECT settle_job($1, 'cancelled', NULL, NULL)`, [id]);
    follower?.onSnapshot({ video: await read(id), digest: 'the last', eventSeq: 2 });
    return before;
  };
  const wish = { owned: { id, tenant: 'default' }, afterSeq: 0, wait: beginDatabaseWait(10_000) };
  const story = await followJob({ pool: bench.database.pool, topics, findVideo }, wish);
  if (story === 'over') throw new Error('assertion failed: the reader has nothing yet');
  const told: string[] = [];
  story.tell({
    event: ({ kind }) => told.push(kind),
    video: ({ status }) => told.push(status),
    end: () => told.push('end'),
  });
  await until('the end', () => told.includes('end'));
  expect(told).toEqual(['queued', 'job.queued', 'cancelled', 'job.cancelled', 'end']);
});
