import { expect, test } from 'vitest';
import { seeded } from '../support/seeded.ts';
import { useStack, videoOf } from '../support/stack.ts';
import { until } from '../support/until.ts';

const stack = useStack();

const clients = 30;
const requestsOfClient = 4;
const kills = 3;

test('kill -9 of the API under clients that repeat: each key is exactly one job, and no 202 is lost', async () => {
  const random = seeded(11);
  const idsOfKey = new Map<string, Set<string>>();
  let answers = 0;

  /** As a client does: the same key until somebody answers, and once more for good measure. */
  const send = async (key: string): Promise<void> => {
    const ask = async (): Promise<string> => {
      const response = await stack.post({ prompt: `wish ${key}` }, { 'idempotency-key': key });
      const { id } = await videoOf(response, 202);
      stack.follow(id);
      idsOfKey.set(key, (idsOfKey.get(key) ?? new Set()).add(id));
      answers += 1;
      return id;
    };
    await until(`an answer to ${key}`, ask, { everyMs: 100 });
    if (random() < 0.3) await until(`another answer to ${key}`, ask, { everyMs: 100 });
  };
  const client = async (name: number): Promise<void> => {
    for (let request = 0; request < requestsOfClient; request += 1) await send(`client-${name}-${request}`);
  };

  const sending = Promise.all(Array.from({ length: clients }, (_, name) => client(name)));
  const killing = (async () => {
    for (let kill = 1; kill <= kills; kill += 1) {
      const wanted = Math.floor(((kill - random()) / kills) * clients * requestsOfClient);
      await until(`${wanted} answers`, () => answers >= wanted, { everyMs: 1 });
      await stack.end('api', 'SIGKILL');
      await stack.start('api');
    }
  })();
  await Promise.all([sending, killing]);

  const ids = [...idsOfKey.values()].map((found) => [...found]);
  expect(ids.filter((found) => found.length !== 1)).toEqual([]);
  const { rows } = await stack.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM jobs');
  expect(rows).toEqual([{ count: clients * requestsOfClient }]);
  const videos = await stack.untilAllFinal(ids.flat(), { withinMs: 90_000 });
  expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
});

const secondsMax = 10;

async function expectOrderlyEnd(name: 'api' | 'worker'): Promise<void> {
  const startedAt = Date.now();
  expect(await stack.end(name, 'SIGTERM')).toEqual({ code: 0, signal: null });
  expect(Date.now() - startedAt).toBeLessThan(secondsMax * 1_000);
}

test('SIGTERM of the worker: a submit under way is not cut off, its answer is noted, the next worker goes on', async () => {
  const { created: createdBefore } = await stack.vendor.counts();
  const accepted = await Promise.all(
    ['[sim:submit-slow=2500] posted', '[sim:callback-lost] polled', 'rendered', 'a fourth'].map((prompt) =>
      stack.accept({ prompt }),
    ),
  );
  const ids = accepted.map(({ id }) => id);
  await until('all are at the vendor', async () => (await stack.vendor.counts()).created >= createdBefore + ids.length);
  await expectOrderlyEnd('worker');
  const { rows } = await stack.pool.query(`SELECT state FROM attempts WHERE job = ANY($1::text[])`, [ids]);
  expect(rows).toEqual(ids.map(() => ({ state: 'accepted' })));
  const queued = await stack.accept({ prompt: 'while nobody works' });
  await stack.start('worker');
  // Patience ended while the worker was away: the first target is asked before anybody is paid beside it.
  for (const video of await stack.untilAllFinal([...ids, queued.id], { withinMs: 60_000 }))
    expect(video).toMatchObject({ status: 'completed', attempts: 1 });
});

test('SIGTERM of the API under load: whoever was answered has his job, nobody gets a 5xx', async () => {
  const ids: string[] = [];
  const refused: string[] = [];
  let open = true;
  const client = async (name: number): Promise<void> => {
    for (let request = 0; open; request += 1) {
      try {
        const { id } = await stack.accept({ prompt: `load ${name} ${request}` });
        ids.push(id);
      } catch (error) {
        open = false;
        // No connection any more, or one that was closed before it was used.
        refused.push(String(error));
      }
    }
  };
  const load = Promise.all(Array.from({ length: 4 }, (_, name) => client(name)));
  await until('the API is busy', () => ids.length >= 20);
  await expectOrderlyEnd('api');
  await load;
  expect(refused.filter((reason) => !reason.includes('fetch failed'))).toEqual([]);
  await stack.start('api');
  for (const video of await stack.untilAllFinal(ids, { withinMs: 60_000 }))
    expect(video).toMatchObject({ status: 'completed' });
});
