import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { until } from '../support/until.ts';
import { useStack } from '../support/stack.ts';

const stack = useStack(() => ({ providers: ['wavespeed'] }));

async function admin(line: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
  const [method = '', path = ''] = line.split(' ');
  const response = await fetch(`${stack.url}/v1/admin${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

interface Effect {
  readonly phase: string;
  readonly code: string | null;
  readonly waitsMs: number;
  readonly actions: readonly { action: string; reason: string; detail: unknown }[];
}

/** What became of a job, and what is written down of it. */
async function effectOn(job: string): Promise<Effect> {
  const { rows } = await stack.pool.query<Effect>(
    `SELECT phase, failure ->> 'code' AS code,
            round(extract(epoch FROM queue_deadline - accepted_at) * 1000)::float8 AS "waitsMs",
            (SELECT jsonb_agg(jsonb_build_object('action', action, 'reason', reason, 'detail', detail - 'run') ORDER BY id)
             FROM operator_actions WHERE subject = jobs.id) AS actions
     FROM jobs WHERE id = $1`,
    [job],
  );
  const [effect] = rows;
  if (effect === undefined) throw new Error(`there is no job ${job}`);
  return effect;
}

const reason = 'the same everywhere';
const seconds = 90_000;

test('a repair has one effect and one record, from the API, the command line and Temporal UI alike', async () => {
  expect(await stack.ops('pause', 'pool', 'wavespeed', '--reason', 'a test', '--by', 'ann')).toMatchObject({ code: 0 });
  const [byApi, byCommand, byUi, kept] = await Promise.all(
    ['api', 'command', 'ui', 'kept'].map(async (prompt) => (await stack.accept({ prompt })).id),
  );
  if (!byApi || !byCommand || !byUi || !kept) throw new Error('not accepted');

  // It waits in Postgres alone: its workflow is started for the repair, without a permit. The key is as long as one may be.
  const key = { 'idempotency-key': randomUUID().padEnd(limits.idempotencyKeyCharsMax, 'x') };
  const extend = { repair: 'extend_deadline', seconds, reason };
  expect(await admin(`POST /jobs/${byApi}/repairs`, extend, key)).toMatchObject({
    status: 200,
    json: { outcome: 'done' },
  });
  // Once more under the same key: the same answer, and nothing twice.
  expect(await admin(`POST /jobs/${byApi}/repairs`, extend, key)).toMatchObject({
    status: 200,
    json: { outcome: 'done' },
  });
  // Another wish under it is not answered with what came of that one.
  expect(await admin(`POST /jobs/${byApi}/repairs`, { ...extend, seconds: 60 }, key)).toMatchObject({
    status: 422,
    json: { code: 'idempotency_key_reused' },
  });
  expect(await admin(`POST /jobs/${byApi}/repairs`, { repair: 'give_up', reason })).toMatchObject({ status: 200 });

  const words = ['--reason', reason, '--by', 'ann'] as const;
  const extended = await stack.ops('repair', 'extend-deadline', byCommand, '--seconds', String(seconds), ...words);
  expect(extended).toMatchObject({ code: 0 });
  expect(await stack.ops('repair', 'give-up', byCommand, ...words)).toMatchObject({ code: 0 });

  // Temporal UI has those that have a workflow, as one has that was asked for something, in vain too.
  expect(await admin(`POST /jobs/${byUi}/repairs`, { repair: 'poll_now', reason })).toMatchObject({ status: 409 });
  // It has no words of ours: an update is a name and JSON.
  const handle = stack.temporal.workflow.getHandle(byUi);
  await handle.executeUpdate('extendDeadline', { args: [{ by: 'ann', reason, seconds }] });
  await handle.executeUpdate('giveUp', { args: [{ by: 'ann', reason }] });

  await stack.untilAllFinal([byApi, byCommand, byUi]);
  const [first, ...others] = await Promise.all([byApi, byCommand, byUi].map(effectOn));
  expect(first).toMatchObject({ phase: 'failed', code: 'terminated' });
  expect(first?.actions.map(({ action }) => action)).toEqual(['extendDeadline', 'giveUp']);
  for (const other of others) expect(other).toEqual(first);
  const { json } = await admin(`GET /actions?subject=${byCommand}`);
  expect(json.data).toMatchObject([{ actor: 'ann' }, { actor: 'ann' }]);
  expect((await admin(`GET /actions?subject=${byApi}`)).json.data).toMatchObject([
    { actor: 'operator' },
    { actor: 'operator' },
  ]);

  // One that has ended is refused, in the same words.
  expect(await admin(`POST /jobs/${byApi}/repairs`, { repair: 'poll_now', reason })).toMatchObject({
    status: 409,
    json: { code: 'job_final' },
  });
  expect((await stack.ops('repair', 'poll-now', byCommand, ...words)).code).toBe(1);

  expect((await admin(`GET /jobs/${kept}`)).json).toMatchObject({ status: 'queued', attempts: [] });
  expect(await stack.ops('resume', 'pool', 'wavespeed', '--reason', 'over')).toMatchObject({ code: 0 });
  expect(await stack.untilFinal(kept)).toMatchObject({ status: 'completed' });
}, 480_000);

test('a repair whose answer nobody heard is repeated under its id, and done once', async () => {
  expect(await admin('PUT /pauses/pool/wavespeed', { reason: 'a test' })).toMatchObject({ status: 200 });
  const { id } = await stack.accept({ prompt: 'a fox' });
  const extend = ['repair', 'extend-deadline', id, '--seconds', '3600', '--reason', reason];
  expect(await stack.ops(...extend)).toMatchObject({ code: 0 });
  const { waitsMs } = await effectOn(id);

  await stack.end('worker', 'SIGKILL');
  const unheard = await stack.ops(...extend);
  expect(unheard).toMatchObject({ code: 1, output: expect.stringContaining('may yet do it') });
  const [, again = ''] = /--id (\S+)/.exec(unheard.output) ?? [];
  expect(again).not.toBe('');
  await stack.start('worker');
  await until('the answer', async () => (await stack.ops(...extend, '--id', again)).code === 0);
  expect(await stack.ops(...extend, '--id', again)).toMatchObject({ code: 0 });
  const effect = await effectOn(id);
  expect(effect.waitsMs - waitsMs).toBe(3_600_000);
  expect(effect.actions).toHaveLength(2);
  expect(await stack.ops('repair', 'give-up', id, '--reason', reason)).toMatchObject({ code: 0 });
  expect(await admin('DELETE /pauses/pool/wavespeed?reason=over')).toMatchObject({ status: 200 });
  await stack.untilFinal(id);
}, 480_000);

test('what a workflow refuses is told as it says it, by every way, and written down nowhere', async () => {
  expect(await admin('PUT /pauses/pool/wavespeed', { reason: 'a test' })).toMatchObject({ status: 200 });
  const { id } = await stack.accept({ prompt: 'a fox' });
  const wrong = { repair: 'switch_target', target: 'nobody/nothing', reason };
  const refused = await admin(`POST /jobs/${id}/repairs`, wrong);
  expect(refused).toMatchObject({ status: 409, json: { code: 'repair_refused' } });
  const command = await stack.ops('repair', 'switch-target', id, '--target', 'nobody/nothing', '--reason', reason);
  expect(command.code).toBe(1);
  expect(command.output).toContain(refused.json.detail);
  expect((await admin(`GET /actions?subject=${id}`)).json.data).toEqual([]);
  expect(await admin('DELETE /pauses/pool/wavespeed?reason=over')).toMatchObject({ status: 200 });
  await stack.untilFinal(id);
}, 480_000);

test('all that are stuck for one cause are repaired at once, each with its outcome', async () => {
  expect(await stack.ops('pause', 'tenant', 'default', '--for', '1h', '--reason', 'a test')).toMatchObject({ code: 0 });
  const jobs = await Promise.all(['one', 'two', 'three'].map(async (prompt) => (await stack.accept({ prompt })).id));
  // As if they had waited for a day.
  await stack.pool.query(`UPDATE tickets SET accepted_at = accepted_at - interval '1 day' WHERE job = ANY ($1)`, [
    jobs,
  ]);
  await stack.pool.query(`UPDATE jobs SET accepted_at = accepted_at - interval '1 day' WHERE id = ANY ($1)`, [jobs]);
  const bulk = { cause: 'waiting_capacity', repair: 'give_up', reason };
  const { json: planned } = await admin('POST /repairs', { ...bulk, dry_run: true });
  expect(planned.data.map(({ id }: { id: string }) => id).toSorted()).toEqual(jobs.toSorted());
  expect(
    await stack.pool.query('SELECT 1 FROM jobs WHERE id = ANY ($1) AND finished_at IS NOT NULL', [jobs]),
  ).toMatchObject({ rows: [] });
  const dry = await stack.ops('repair', 'give-up', '--cause', 'waiting_capacity', '--dry-run', '--reason', reason);
  expect(dry).toMatchObject({ code: 0, output: expect.stringContaining('3 jobs would be repaired') });

  const { json: repaired } = await admin('POST /repairs', { ...bulk, limit: 2 });
  expect(repaired.data.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['done', 'done']);
  const rest = await stack.ops('repair', 'give-up', '--cause', 'waiting_capacity', '--reason', reason);
  expect(rest).toMatchObject({ code: 0, output: expect.stringContaining('1 of 1 jobs were repaired') });
  await stack.untilAllFinal(jobs);
  for (const job of jobs) expect(await effectOn(job)).toMatchObject({ phase: 'failed', code: 'terminated' });
  expect(await stack.ops('resume', 'tenant', 'default', '--reason', 'over')).toMatchObject({ code: 0 });
}, 480_000);

test('a lowered limit holds in every process without a restart, and ends when it is cleared', async () => {
  const lowered = await stack.ops('limits', 'wavespeed', '--outstanding', '1', '--for', '1h', '--reason', 'a test');
  expect(lowered).toMatchObject({ code: 0 });
  const jobs = await Promise.all(
    Array.from({ length: 4 }, async (_, index) => (await stack.accept({ prompt: `a fox ${index}` })).id),
  );
  let most = 0;
  await until('the end of them, one after another', async () => {
    const { rows } = await stack.pool.query<{ held: number; left: number }>(
      `SELECT (SELECT count(*)::int FROM permits WHERE pool = 'wavespeed') AS held,
              (SELECT count(*)::int FROM jobs WHERE id = ANY ($1) AND finished_at IS NULL) AS left`,
      [jobs],
    );
    most = Math.max(most, rows[0]?.held ?? 0);
    return rows[0]?.left === 0;
  });
  expect(most).toBe(1);
  expect(await stack.ops('limits', 'wavespeed', '--clear', '--reason', 'over')).toMatchObject({ code: 0 });
  expect((await stack.ops('actions', 'wavespeed')).output).toContain('clear_limits');
}, 480_000);
