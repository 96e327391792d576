import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { runCommand } from '../../src/embedded/processes.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

/** Two slots: a job may have two attempts at once, and the third job waits, and is soon shown. */
const stack = useStack(() => ({
  limits: { outstanding: 2, perMinute: 6_000 },
  providers: ['wavespeed'],
  env: { STUCK_AFTER_SECONDS: '1' },
}));

/** As an operator does it, with Temporal's own command line. */
async function operate(id: string, ...words: readonly string[]): Promise<void> {
  const where = ['--workflow-id', id, '--address', stack.temporalAddress, '--namespace', stack.namespace];
  await runCommand({ command: inject('temporalCliPath'), args: ['workflow', ...words, ...where], timeoutMs: 20_000 });
}

const repair = (id: string, name: string, order: object) =>
  operate(
    id,
    'update',
    'execute',
    '--name',
    name,
    '--input',
    JSON.stringify({ by: 'ada', reason: 'a test', ...order }),
  );

const ways = {
  terminate: (id: string) => operate(id, 'terminate', '--reason', 'a test'),
  cancel: (id: string) => operate(id, 'cancel'),
  reset: (id: string) => operate(id, 'reset', '--type', 'FirstWorkflowTask', '--reason', 'a test'),
} as const;

interface Held {
  readonly id: string;
  /** Lets what is held go on. */
  readonly release: () => Promise<void>;
}

async function columnOf(id: string, sql: string): Promise<string | undefined> {
  const { rows } = await stack.pool.query<{ value: string | null }>(sql, [id]);
  return rows[0]?.value ?? undefined;
}

const operationOf = (id: string, attempt = 1) =>
  until('the vendor works on it and we know', () =>
    columnOf(
      id,
      `SELECT operation AS value FROM attempts WHERE job = $1 AND state = 'accepted' AND attempt = ${attempt}`,
    ),
  );

async function submitsOf(id: string): Promise<readonly number[]> {
  const all = await stack.vendor.submits();
  return all.filter(({ correlation }) => correlation?.startsWith(id)).map(({ submits }) => submits);
}

const causeOf = async (id: string): Promise<unknown> => {
  const { typedSearchAttributes } = await stack.temporal.workflow.getHandle(id).describe();
  return typedSearchAttributes.getAll().find(({ key }) => key.name === 'StuckCause')?.value;
};

/** A job of each state in which an operator may find one. */
const states = {
  async waiting(): Promise<Held> {
    const occupants = [
      await stack.accept({ prompt: '[sim:stuck] it has a slot' }),
      await stack.accept({ prompt: '[sim:stuck] it has the other one' }),
    ];
    const operations = await Promise.all(occupants.map((occupant) => operationOf(occupant.id)));
    const { id } = await stack.accept({ prompt: 'it waits' });
    await until('it is shown, with its cause', async () => {
      const cause = await causeOf(id).catch(() => undefined);
      return cause === 'waiting_capacity' ? cause : undefined;
    });
    return {
      id,
      release: async () => {
        for (const operation of operations) await stack.vendor.finish(operation);
      },
    };
  },
  async submitting(): Promise<Held> {
    const { id } = await stack.accept({ prompt: '[sim:submit-slow=4000][sim:stuck] it is being sent' });
    await until('it is being sent', () =>
      columnOf(id, `SELECT state AS value FROM attempts WHERE job = $1 AND state = 'submitting'`),
    );
    // Its answer is noted whatever becomes of the job meanwhile.
    const answered = () =>
      until('the answer is noted', () =>
        columnOf(id, 'SELECT operation AS value FROM attempts WHERE job = $1 AND operation IS NOT NULL'),
      );
    return { id, release: async () => await stack.vendor.finish(await answered()) };
  },
  async live(): Promise<Held> {
    const { id } = await stack.accept({ prompt: '[sim:stuck] it is live' });
    const operation = await operationOf(id);
    return { id, release: () => stack.vendor.finish(operation) };
  },
  async storing(): Promise<Held> {
    const { id } = await stack.accept({ prompt: '[sim:stuck] it is kept' });
    const operation = await operationOf(id);
    // Where its copy is to lie there is something in the way.
    const place = join(stack.env['DATA_DIRECTORY'] ?? '', 'objects', 'assets', 'default', id);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, '');
    await stack.vendor.finish(operation);
    await until('it is being copied', () =>
      columnOf(id, `SELECT key AS value FROM assets WHERE job = $1 AND stored_at IS NULL`),
    );
    return { id, release: () => rm(place) };
  },
} as const;

const stateNames = ['waiting', 'submitting', 'live', 'storing'] as const;

describe.each(stateNames)('a job that is %s', (state) => {
  test('and is terminated fails, and leaves nothing behind', async () => {
    const { id, release } = await states[state]();
    await ways.terminate(id);
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'failed', error: { code: 'terminated' } });
    await release();
  });

  test('and is cancelled in the UI is cancelled, and leaves nothing behind', async () => {
    const { id, release } = await states[state]();
    await ways.cancel(id);
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'cancelled' });
    await release();
  });

  test('and is reset goes on, with one submit', async () => {
    const { id, release } = await states[state]();
    await ways.reset(id);
    await release();
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await submitsOf(id)).toEqual([1]);
  });
});

describe('a repair from Temporal`s own command line', () => {
  test('gives more time once, also when the workflow is reset to before it', async () => {
    const { id, release } = await states.live();
    const deadline = () => columnOf(id, 'SELECT run_deadline::text AS value FROM jobs WHERE id = $1');
    const before = await deadline();
    await repair(id, 'extendDeadline', { seconds: 600 });
    const after = await deadline();
    expect(after).not.toBe(before);
    const handle = stack.temporal.workflow.getHandle(id);
    const { runId } = await handle.describe();
    await ways.reset(id);
    await until('another run has begun', async () => (await handle.describe()).runId !== runId);
    await release();
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await deadline()).toBe(after);
    const { rows } = await stack.pool.query('SELECT actor, action, reason FROM operator_actions WHERE subject = $1', [
      id,
    ]);
    expect(rows).toEqual([{ actor: 'ada', action: 'extendDeadline', reason: 'a test' }]);
  });

  test('that could pay twice is refused; forced, and after a reset, it buys one more and not two', async () => {
    const { id, release } = await states.live();
    await expect(repair(id, 'resubmit', {})).rejects.toThrow(/may still be paid/);
    await repair(id, 'resubmit', { force: true });
    await ways.reset(id);
    const second = await operationOf(id, 2);
    await release();
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'completed', attempts: 2 });
    expect(await submitsOf(id)).toEqual([1, 1]);
    await stack.vendor.finish(second);
    const { rows } = await stack.pool.query(`SELECT 1 FROM job_events WHERE job = $1 AND kind = 'job.repaired'`, [id]);
    expect(rows).toHaveLength(1);
  });

  test('gives a job up that waits for its permit', async () => {
    const { id, release } = await states.waiting();
    await repair(id, 'giveUp', {});
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'failed', error: { code: 'terminated' } });
    await release();
  });
});
