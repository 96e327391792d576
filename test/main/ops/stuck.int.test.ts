import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { recordAction } from '../../../src/db/control/operator-actions.ts';
import { overviewCommand } from '../../../src/main/ops/overview.ts';
import type { OpsFlags } from '../../../src/main/ops/options.ts';
import { showCommand } from '../../../src/main/ops/show.ts';
import { stuckCommand } from '../../../src/main/ops/stuck.ts';
import type { OpsCommand } from '../../../src/main/ops/task.ts';
import { createStuckBench, type StuckBench } from '../../db/stuck/stuck-bench.ts';
import { createNamespace } from '../../support/temporal-namespace.ts';

let bench: StuckBench;
let connection: Connection;
let client: Client;
beforeAll(async () => {
  const address = inject('temporalAddress');
  [bench, connection] = await Promise.all([createStuckBench(), Connection.connect({ address })]);
  client = new Client({ connection, namespace: await createNamespace(connection, address) });
});
afterAll(async () => {
  await connection.close();
  await bench.drop();
});
afterEach(async () => {
  await bench.clear();
});

interface Typed {
  readonly flags?: OpsFlags;
  readonly operands?: readonly string[];
  readonly temporal?: () => Promise<Client>;
}

interface Answer {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
}

async function run(command: OpsCommand, typed: Typed = {}): Promise<Answer> {
  const out: string[] = [];
  const notes: string[] = [];
  const code = await command({
    pool: bench.pool,
    temporal: typed.temporal ?? (async () => client),
    config: readConfig({ TEMPORAL_UI_URL: 'http://localhost:8233' }).config,
    operands: typed.operands ?? [],
    flags: typed.flags ?? {},
    say: (line) => void out.push(line),
    note: (line) => void notes.push(line),
  });
  return { code, out: out.join('\n'), notes: notes.join('\n') };
}

/** What the caller of the bench's jobs has written. */
const prompt = 'a fox';

describe('stuck', () => {
  test('says so when nothing is', async () => {
    expect(await run(stuckCommand)).toEqual({ code: 0, out: '', notes: 'No job is stuck.' });
  });

  test('lists the longest first, and says once for each cause what to do', async () => {
    const pool = await bench.addPool();
    const [first = '', second = ''] = await bench.accept({ pool, count: 2 });
    await bench.age(first, 7_200);
    await bench.age(second, 3_600);
    const lost = await bench.lose(await bench.begin());
    // The grant of that one took both out of the line.
    for (const job of [first, second]) await bench.pool.query('DELETE FROM permits WHERE job = $1', [job]);
    await bench.age(lost);
    const { code, out, notes } = await run(stuckCommand);
    expect(code).toBe(0);
    expect(out.split('\n')).toHaveLength(2);
    expect(out).toMatch(new RegExp(`${lost} +submit_unknown +1 h 0 min +default +vendor/model`));
    expect(notes).toContain(`npm run ops -- repair poll-now ${lost} --reason`);
    expect(notes.match(/submit_unknown:/g)).toHaveLength(1);
  });

  test('by cause, as JSON lines', async () => {
    const [first = '', second = ''] = await bench.accept({ pool: await bench.addPool(), count: 2 });
    await bench.age(first);
    await bench.age(second, 100);
    const { out } = await run(stuckCommand, { flags: { cause: 'waiting_capacity', json: true, limit: '5' } });
    expect(JSON.parse(out)).toMatchObject({
      id: first,
      cause: 'waiting_capacity',
      since: expect.stringMatching(/^\d{4}-/),
      command: 'npm run ops -- overview',
    });
    expect((await run(stuckCommand, { flags: { cause: 'no_credit' } })).notes).toBe('No job is stuck.');
  });

  test.each([
    [{ cause: 'bored' }, [], 'waiting_capacity'],
    [{ limit: '0' }, [], '--limit'],
    [{ force: true }, [], '--force'],
    [{}, ['video_1'], 'show ID'],
  ] satisfies readonly (readonly [OpsFlags, readonly string[], string])[])(
    'what was meant otherwise is refused with what to type: %o %o',
    async (flags, operands, hint) => {
      await expect(run(stuckCommand, { flags, operands })).rejects.toThrow(hint);
    },
  );
});

describe('show', () => {
  test('has all of a job on one page, and nothing that its owner has written', async () => {
    const job = await bench.lose(await bench.begin());
    await bench.age(job);
    await bench.failWebhook(job, 'video.in_progress');
    await recordAction(bench.pool, { actor: 'ada', action: 'pollNow', subject: job, reason: 'the vendor was down' });
    const { code, out } = await run(showCommand, { operands: [job] });
    expect(code).toBe(0);
    for (const part of [
      `${job}  in_progress`,
      'STUCK: submit_unknown, since ',
      'the answer to it was lost',
      `npm run ops -- repair poll-now ${job} --reason`,
      'vendor/model',
      'ambiguous_submit',
      'video.in_progress',
      'attempt.started',
      'ada',
      'the vendor was down',
      'Temporal has no workflow of it',
    ])
      expect(out).toContain(part);
    expect(out).not.toContain(prompt);
    const { out: json } = await run(showCommand, { operands: [job], flags: { json: true } });
    expect(JSON.parse(json)).toMatchObject({
      id: job,
      stuck: { cause: 'submit_unknown' },
      workflow: { status: 'NONE' },
    });
    expect(json).not.toContain(prompt);
    const { token } = await bench.row<{ token: string }>('SELECT token FROM attempts WHERE job = $1', job);
    expect(token).not.toBe('');
    expect(json).not.toContain(token);
  });

  test('says what Temporal does, and links to it', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    await client.workflow.start('generateVideo', { workflowId: job, taskQueue: 'nobody', args: [] });
    const { out } = await run(showCommand, { operands: [job] });
    expect(out).toContain('workflow RUNNING');
    expect(out).toContain(`http://localhost:8233/namespaces/${client.options.namespace}/workflows/${job}`);
    expect(out).toContain('It is not stuck.');
  });

  test('says what Postgres knows while Temporal is away', async () => {
    const job = await bench.acceptOne({ pool: await bench.addPool() });
    const temporal = () => Promise.reject(new Error('no server'));
    const { code, out } = await run(showCommand, { operands: [job], temporal });
    expect(code).toBe(0);
    expect(out).toContain('waits for vendor/model');
    expect(out).toContain('Temporal did not answer');
  });

  test('of a job that there is not, and of what is no id', async () => {
    const nobody = 'video_01a20000-0000-7000-8000-000000000000';
    await expect(run(showCommand, { operands: [nobody] })).rejects.toThrow(`There is no job ${nobody}`);
    await expect(run(showCommand, { operands: [`${nobody}'; DROP TABLE jobs`] })).rejects.toThrow(
      'takes the id of a job',
    );
    await expect(run(showCommand)).rejects.toThrow('takes the id of a job');
  });
});

describe('overview', () => {
  test('has every pool with its line, its permits, its pauses and its breakers, and the stuck by cause', async () => {
    const pool = await bench.addPool({ outstandingMax: 7 });
    const [live = '', zombie = ''] = await bench.accept({ pool, count: 2 });
    await bench.grant();
    await bench.pool.query('UPDATE permits SET zombie_since = clock_timestamp() WHERE job = $1', [zombie]);
    const waiting = await bench.accept({ pool, count: 3 });
    for (const job of waiting) await bench.age(job);
    await bench.pool.query(
      `UPDATE targets SET health = '{"submit":{"state":"open","since":1,"from":1,"ramp":1,"openings":1}}' WHERE pool = $1`,
      [pool],
    );
    await bench.pool.query(
      `INSERT INTO pauses (kind, subject, actor, reason) VALUES ('pool', $1, 'ada', 'a new key | soon'), ('tenant', 'acme', 'ada', 'unpaid')`,
      [pool],
    );
    const { out } = await run(overviewCommand);
    expect(out).toContain(`| ${pool} | 3 | 1 h 0 min | 2 / 7 | 1 | vendor/model failing | pool |`);
    expect(out).toContain('| waiting_capacity | 3 | 1 h 0 min |');
    expect(out).toContain(`Pool ${pool} is paused: a new key   soon`);
    expect(out).toContain('Paused tenants: acme');
    const { out: json } = await run(overviewCommand, { flags: { json: true } });
    const { pools }: { pools: readonly { pool: string }[] } = JSON.parse(json);
    expect(pools.find((one) => one.pool === pool)).toMatchObject({ live: 1, zombies: 1, waiting: 3, limit: 7 });
    expect(json).not.toContain(live);
  });
});
