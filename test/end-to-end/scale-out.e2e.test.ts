import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { startTemporalServer } from '../../src/embedded/temporal-server.ts';
import type { TemporalServerPrograms } from '../../src/embedded/temporal-server-programs.ts';
import { builtTemporalServer } from '../support/built-temporal-server.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { useStack, videoOf } from '../support/stack.ts';
import { until } from '../support/until.ts';

const programs = await builtTemporalServer();

const apis = ['api', 'api-2'] as const;
const workers = ['worker', 'worker-2', 'worker-3', 'worker-4'] as const;
type Name = (typeof apis | typeof workers)[number];

/**
 * Were each grant drawn by lot, a worker's share of so many would have a standard deviation of a twentieth of itself, so
 * that a fifth is four of them: chance alone passes that in one run of four thousand.
 */
const jobs = 1_200;
const limits = { outstanding: 24, perMinute: 720 };
const jobsOfKill = 20;
const patience = { withinMs: 900_000, everyMs: 200 };

/** Temporal's own server on a Postgres of its own, as a deployment has it. */
async function startTemporal(found: TemporalServerPrograms) {
  const directory = await makeTestDirectory();
  const log = (): void => undefined;
  const postgres = await startEmbeddedPostgres({ directory: join(directory, 'postgres'), relaxed: true, log });
  const server = await startTemporalServer({
    programs: found,
    postgresUrl: postgres.url,
    directory: join(directory, 'temporal'),
    searchAttributes: searchAttributeTypes,
    log,
  });
  return {
    address: server.address,
    async stop() {
      await server.stop();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

describe.skipIf(programs === undefined)('2 APIs and 4 workers', { timeout: 1_200_000 }, () => {
  let temporal: Awaited<ReturnType<typeof startTemporal>> | undefined;
  afterAll(async () => await temporal?.stop());

  const stack = useStack(async () => {
    if (programs === undefined) throw new Error('skipped without the programs');
    temporal = await startTemporal(programs);
    return {
      temporalAddress: temporal.address,
      providers: ['wavespeed'],
      limits,
      counts: { api: apis.length, worker: workers.length },
    };
  });

  /** As clients do: the same key until somebody answers. `onAnswer` is told of each. */
  async function acceptAll(prompts: readonly string[], onAnswer = (): void => undefined): Promise<readonly string[]> {
    const ids: string[] = [];
    const left = [...prompts];
    const client = async (): Promise<void> => {
      for (let prompt = left.pop(); prompt !== undefined; prompt = left.pop()) {
        const wish = { prompt };
        const headers = { 'idempotency-key': prompt };
        const ask = async (): Promise<string> => (await videoOf(await stack.post(wish, headers), 202)).id;
        const id = await until(`an answer to ${prompt}`, ask, { ...patience, everyMs: 100 });
        stack.follow(id);
        ids.push(id);
        onAnswer();
      }
    };
    await Promise.all(Array.from({ length: 10 }, client));
    return ids;
  }

  async function expectCompleted(ids: readonly string[]): Promise<void> {
    const videos = await stack.untilAllFinal(ids, patience);
    expect(videos.filter(({ status }) => status !== 'completed')).toEqual([]);
  }

  test('share the work within a fifth of evenly, and use what the account allows', async () => {
    const sharesOf = async (names: readonly Name[], metric: string) =>
      await Promise.all(names.map(async (name) => await readMetric(stack.opsUrl(name), metric)));
    const tasks = 'temporal_workflow_task_execution_latency_seconds_count';
    // Their own chores: the schedule of retention is somebody's.
    const tasksBefore = await sharesOf(workers, tasks);
    await expectCompleted(await acceptAll(namesOf('shared', jobs)));

    expectEven('accepts', await sharesOf(apis, 'spillway_api_accepts_total'));
    expectEven('callbacks', await sharesOf(apis, 'spillway_api_callbacks_total'));
    const submits = await sharesOf(workers, 'spillway_submits_total');
    expect(submits.reduce((sum, one) => sum + one, 0)).toBe(jobs);
    expectEven('submits', submits);
    // Whoever comes first grants to several at once, so chance weighs more; the work is what follows.
    expectEven('grants', await sharesOf(workers, 'spillway_grants_total'), 0.5);
    const tasksAfter = await sharesOf(workers, tasks);
    expectEven(
      'workflow tasks',
      tasksAfter.map((count, index) => count - (tasksBefore[index] ?? 0)),
    );
    // That neither was ever exceeded says the auditor; here it is that one of them was what held the jobs up.
    const { submits: sent, outstanding_max, started_per_minute_max } = await stack.vendor.counts();
    expect(sent).toBe(jobs);
    expect(Math.max(outstanding_max / limits.outstanding, started_per_minute_max / limits.perMinute)).toBeGreaterThan(
      0.95,
    );
  });

  test.each([...apis, ...workers])(
    'go on without %s, and with it again: nothing is lost or bought twice',
    async (name) => {
      const sentBefore = (await stack.vendor.counts()).submits;
      let isAnswered = false;
      const killing = async (): Promise<void> => {
        await until('some are accepted', () => isAnswered, { ...patience, everyMs: 1 });
        await stack.end(name, 'SIGKILL');
      };
      const accepting = acceptAll(namesOf(`without-${name}`, jobsOfKill), () => (isAnswered = true));
      const [ids] = await Promise.all([accepting, killing()]);
      await expectCompleted(ids);
      await stack.start(name);
      const more = await acceptAll(namesOf(`again-${name}`, jobsOfKill));
      await expectCompleted(more);
      expect((await stack.vendor.counts()).submits - sentBefore).toBe(2 * jobsOfKill);
    },
  );

  test('none of them leads: who holds a task that one has at a time may be killed in the middle of it', async () => {
    const blocking = await stack.pool.connect();
    // The reconciler reads its watermark here, and waits.
    await blocking.query('BEGIN; LOCK TABLE watermarks IN ACCESS EXCLUSIVE MODE');
    try {
      const holder = await until('somebody reconciles', findReconciler, patience);
      await stack.end(holder, 'SIGKILL');
      const successor = await until(
        'somebody else does',
        async () => {
          const name = await findReconciler();
          return name === holder ? undefined : name;
        },
        patience,
      );
      expect(workers).toContain(successor);
      await blocking.query('ROLLBACK');
      await expectCompleted(await acceptAll(namesOf('leaderless', jobsOfKill)));
      await stack.start(holder);
    } finally {
      blocking.release(true);
    }
  });

  test('what needs a session of its own goes where DATABASE_DIRECT_URL says, and nothing else does', async () => {
    const { rows } = await stack.pool.query<{ name: string; query: string }>(
      `SELECT application_name AS name, query FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE '%-direct' ORDER BY 1`,
    );
    const names = [...apis, ...workers].map((name) => `${name}-direct`).toSorted();
    expect(rows).toEqual(names.map((name) => ({ name, query: 'LISTEN spillway' })));
  });

  async function findReconciler(): Promise<Name | undefined> {
    const { rows } = await stack.pool.query<{ name: Name }>(
      `SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = 7741530201
         AND datname = current_database()`,
    );
    return rows[0]?.name;
  }
});

function namesOf(kind: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${kind}-${index}`);
}

/** The sum over a metric's labels. */
async function readMetric(opsUrl: string, metric: string): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

function expectEven(what: string, counts: readonly number[], unevenMax = 0.2): void {
  expect(counts).not.toContain(0);
  const even = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const uneven = counts.filter((count) => Math.abs(count - even) > unevenMax * even);
  expect({ what, counts, uneven }).toEqual({ what, counts, uneven: [] });
}
