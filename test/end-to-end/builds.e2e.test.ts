import { afterAll, expect, test } from 'vitest';
import { createDeployer, type DeployRun, startQuickServer } from '../support/rolled-out.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const patience = { withinMs: 240_000, everyMs: 200 };

let server: Awaited<ReturnType<typeof startQuickServer>> | undefined;
const stack = useStack(async () => {
  server = await startQuickServer();
  // As slow as a real vendor, whom nobody's patience is at an end with before the test has ended a video by its own hand.
  return {
    temporalAddress: server.address,
    providers: ['wavespeed'],
    env: { WORKER_BUILD_ID: 'zero', SIMULATOR_TIME_SCALE: '1' },
  };
});
const deployer = await createDeployer(() => stack.env);
afterAll(async () => {
  await deployer.close();
  await server?.stop();
});

/** A job whose video is being made and will not end by itself; returns what the vendor calls it. */
async function startLong(prompt: string): Promise<{ id: string; operation: string }> {
  const { id } = await accept(prompt);
  return { id, operation: await operationOf(id) };
}

async function accept(prompt: string): Promise<{ id: string }> {
  return await stack.accept({ prompt: `[sim:stuck] ${prompt}`, fallback: 'none' });
}

async function operationOf(id: string): Promise<string> {
  return await until(
    'the vendor works on it and we know',
    async () => {
      const { rows } = await stack.pool.query<{ operation: string | null }>(
        'SELECT operation FROM attempts WHERE job = $1',
        [id],
      );
      return rows[0]?.operation;
    },
    patience,
  );
}

/** Has the vendor make the video now; the job is to end well. */
async function finish(job: { readonly id: string; readonly operation: string }): Promise<void> {
  await stack.vendor.finish(job.operation);
  expect(await stack.untilFinal(job.id, patience)).toMatchObject({ status: 'completed' });
}

async function buildOf(workflowId: string): Promise<string | undefined> {
  const { raw } = await stack.temporal.workflow.getHandle(workflowId).describe();
  return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? undefined;
}

/** The processes that its activities ran in. */
async function processesOf(workflowId: string): Promise<ReadonlySet<number>> {
  const { events } = await stack.temporal.workflow.getHandle(workflowId).fetchHistory();
  const started = (events ?? []).flatMap(({ activityTaskStartedEventAttributes: attributes }) =>
    attributes?.identity ? [Number.parseInt(attributes.identity, 10)] : [],
  );
  return new Set(started);
}

async function says(run: DeployRun, text: string): Promise<void> {
  await until(`the deployment says: ${text}`, () => run.output().includes(text), patience);
}

async function endsWell(run: DeployRun): Promise<void> {
  expect([await run.code, run.output()]).toEqual([0, expect.anything()]);
}

test('a worker whose build nobody made current grants nothing, and takes what is there once it is', async () => {
  await until('it knows', async () => (await stack.log('worker')).includes('this build is not current'), patience);
  const { id } = await accept('a fox');
  const dry = deployer.run('set-current', 'zero', '--dry-run');
  await endsWell(dry);
  expect(dry.output()).toContain('would make zero current');
  // A dozen rounds of the grant pass have gone by meanwhile.
  expect((await stack.pool.query('SELECT 1 FROM permits')).rows).toEqual([]);
  expect((await stack.get(id)).status).toBe('queued');

  await endsWell(deployer.run('set-current', 'zero'));
  await finish({ id, operation: await operationOf(id) });
  expect(await buildOf(id)).toBe('zero');
}, 300_000);

test('rolled out beside the old one: what began there ends there, what is new goes to the new one, and the old one goes', async () => {
  const first = deployer.run('roll-out', 'one', ...deployer.hooks.slice(0, 2), '--drain-within', '1');
  expect([await first.code, first.output()]).toEqual([expect.any(Number), expect.stringContaining('one is current')]);
  await stack.end('worker', 'SIGTERM');
  const old = await startLong('begun on the old one');
  expect(await buildOf(old.id)).toBe('one');

  const run = deployer.run('roll-out', 'two', ...deployer.hooks);
  await says(run, 'two is current');
  const fresh = await startLong('begun on the new one');
  expect(await buildOf(fresh.id)).toBe('two');
  expect(deployer.isRunning('one')).toBe(true);

  // The callback comes by the relay of the build that is current, the copy is made by the one that began the job.
  await finish(old);
  expect(await buildOf(old.id)).toBe('one');
  expect(await processesOf(old.id)).toEqual(new Set([deployer.pidOf('one')]));
  await endsWell(run);
  expect(run.output()).toContain('one is drained and stopped');
  expect(deployer.isRunning('one')).toBe(false);
  expect(deployer.isRunning('two')).toBe(true);

  await finish(fresh);
  expect(await processesOf(fresh.id)).toEqual(new Set([deployer.pidOf('two')]));
  // What stands for good is pinned to nothing: it has come along from the first build on.
  await until('the overview has come along', async () => (await buildOf('spillway-overview')) === 'two', patience);
}, 600_000);

test('a build that fails its check gets nothing more; the way back from one that was made current is one command', async () => {
  const failing = deployer.run(
    'roll-out',
    'three',
    ...deployer.hooks,
    '--ramp',
    '50',
    '--hold',
    '0',
    '--check',
    'false',
  );
  expect([await failing.code, failing.output()]).toEqual([
    1,
    expect.stringContaining('did not pass the check at 50 %'),
  ]);
  const status = deployer.run('status');
  await endsWell(status);
  expect(status.output()).toMatch(/^two {2}current$/m);
  expect(status.output()).not.toMatch(/^three {2}(current|ramping)/m);

  await endsWell(deployer.run('set-current', 'three'));
  const onThree = await startLong('begun on what turned out to be bad');
  expect(await buildOf(onThree.id)).toBe('three');
  await endsWell(deployer.run('set-current', 'two'));
  const onTwo = await startLong('begun after the way back');
  expect(await buildOf(onTwo.id)).toBe('two');
  await finish(onThree);
  await finish(onTwo);
  expect(await processesOf(onThree.id)).toEqual(new Set([deployer.pidOf('three')]));

  const retiring = deployer.run('retire', ...deployer.hooks.slice(2));
  await endsWell(retiring);
  expect(deployer.isRunning('three')).toBe(false);
}, 600_000);

test('a build that does not come up changes nothing, and is said to be missing', async () => {
  const run = deployer.run('roll-out', 'four', '--start', 'true', '--start-within', '2');
  expect([await run.code, run.output()]).toEqual([1, expect.stringContaining('no worker of four serves spillway')]);
  const job = await startLong('a fox, as ever');
  await finish(job);
  expect(await buildOf(job.id)).toBe('two');
}, 300_000);
