import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Activities, StoreOrder } from '../../src/contracts/activities.ts';
import {
  assetTaskQueue,
  callbackSignalName,
  checkTaskQueue,
  permitSignalName,
  taskQueue,
} from '../../src/contracts/generate-video.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { Route } from '../../src/domain/route.ts';
import type { StoreAnswer, SubmitAnswer } from '../../src/domain/story.ts';
import { makeTarget, oneTarget, twoTargets } from '../domain/make.ts';
import { bundleWorkflows } from './bundle.ts';
import { notYet, openStage, type Play, type Scene, type Stage } from './stage.ts';

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  bundle = await bundleWorkflows();
});

// The clock belongs to the server and a poll that was cut short can stop its skipping: every test has a server.
let stage: Stage;
beforeEach(async () => {
  stage = await openStage(bundle);
});
afterEach(async () => {
  await stage.close();
});

const permit = { attempt: 1, target: 0, grant: '11' };
const secondPermit = { attempt: 2, target: 1, grant: '22' };
const open = (play: Partial<Play> = {}): Promise<Scene> => stage.open({ route: oneTarget, permit, ...play });
const completed = (attempt: number) => ({ phase: 'completed', attempt });

const isLive =
  (number: number) =>
  ({ attempts }: Awaited<ReturnType<Scene['timeline']>>): boolean =>
    attempts.some((attempt) => attempt.number === number && attempt.phase === 'live');
const isWaiting = ({ ticket }: Awaited<ReturnType<Scene['timeline']>>): boolean => ticket !== null;

/** What the activity was asked, without the id of the job. */
const ordersOf = (scene: Scene, activity: keyof Activities) =>
  scene.calls
    .filter((call) => call.activity === activity)
    .map(({ order }) => Object.fromEntries(Object.entries(order).filter(([name]) => name !== 'jobId')));

/** Regular activities that the history has, by name. */
async function scheduled(scene: Scene): Promise<readonly string[]> {
  const events = await scene.events();
  return events.flatMap(({ activityTaskScheduledEventAttributes: attributes }) => attributes?.activityType?.name ?? []);
}

/** A promise that is kept from outside. */
function promised<Value>() {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((keep) => {
    resolve = keep;
  });
  return { promise, resolve };
}

/** A world that answers the submits in turn. */
function submits(...answers: readonly SubmitAnswer[]): Pick<Activities, 'submitAttempt'> {
  return { submitAttempt: async ({ attempt }) => answers[attempt - 1] ?? { kind: 'accepted' } };
}

const workflowTask = ['WORKFLOW_TASK_SCHEDULED', 'WORKFLOW_TASK_STARTED', 'WORKFLOW_TASK_COMPLETED'];
/** What every video costs: each event more is paid at each of them. The issue allows 26, its copy included. */
const plainSuccess = [
  'WORKFLOW_EXECUTION_STARTED',
  ...workflowTask,
  'ACTIVITY_TASK_SCHEDULED',
  'ACTIVITY_TASK_STARTED',
  'ACTIVITY_TASK_COMPLETED',
  ...workflowTask,
  'TIMER_STARTED',
  'WORKFLOW_EXECUTION_SIGNALED',
  ...workflowTask,
  'TIMER_CANCELED',
  'ACTIVITY_TASK_SCHEDULED',
  'ACTIVITY_TASK_STARTED',
  'ACTIVITY_TASK_COMPLETED',
  ...workflowTask,
  'MARKER_RECORDED',
  'WORKFLOW_EXECUTION_COMPLETED',
];

describe('the plain case', () => {
  test('a permit, one submit, one callback, one copy, one settle: 24 events', async () => {
    const scene = await open();
    await scene.untilEvent('TIMER_STARTED');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));

    const { jobId } = scene;
    expect(scene.calls).toEqual([
      { activity: 'submitAttempt', order: { jobId, ...permit }, isLocal: false, taskQueue, try: 1 },
      { activity: 'storeAsset', order: { jobId, attempt: 1 }, isLocal: false, taskQueue: assetTaskQueue, try: 1 },
      { activity: 'settleJob', order: { jobId, verdict: completed(1) }, isLocal: true, taskQueue, try: 1 },
    ]);
    expect(await scheduled(scene)).toEqual(['submitAttempt', 'storeAsset']);
    expect(await scene.eventNames()).toEqual(plainSuccess);
    expect(plainSuccess).toHaveLength(24);
  });

  test('the timeline tells the story, also after the end', async () => {
    const scene = await open();
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.result();
    expect(await scene.timeline()).toMatchObject({
      attempts: [{ number: 1, target: 0, grant: '11', phase: 'stored' }],
      ticket: null,
    });
  });

  test('started without a permit it waits, without a timer, and goes on when the permit comes', async () => {
    const scene = await stage.open({ route: oneTarget });
    expect(await scene.timeline()).toMatchObject({
      ticket: { attempt: 1, target: 0, kind: 'first' },
      attempts: [],
      runDeadlineAt: null,
    });
    await stage.advance('2 days');
    expect(scene.calls).toEqual([]);
    expect((await scene.events()).some(({ timerStartedEventAttributes }) => timerStartedEventAttributes)).toBe(false);
    await scene.permit(permit);
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });

  test('a permit that is delivered again is sent once', async () => {
    const scene = await open();
    await scene.permit(permit);
    await scene.until(isLive(1));
    await scene.permit(permit);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'submitAttempt')).toHaveLength(1);
  });
});

describe('a signal that comes early counts', () => {
  test('the callback, before the submit`s own answer', async () => {
    const opened = promised<Scene>();
    const scene = await open({
      world: {
        submitAttempt: async () => {
          await (await opened.promise).callback({ attempt: 1, outcome: 'finished' });
          return { kind: 'unknown' };
        },
      },
    });
    opened.resolve(scene);
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'watchAttempt')).toEqual([]);
  });

  test('the permit, together with the start', async () => {
    const scene = await stage.open({ route: oneTarget, early: { signal: permitSignalName, args: [permit] } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });

  test('the callback, together with the start: as after a reset', async () => {
    const scene = await open({ early: { signal: callbackSignalName, args: [{ attempt: 1, outcome: 'finished' }] } });
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'submitAttempt')).toEqual([]);
  });
});

describe('the poll', () => {
  test('takes over when the callback is late; its retries add no history', async () => {
    let polls = 0;
    const watchAttempt = async () => {
      polls += 1;
      if (polls < 6) throw notYet();
      return { outcome: 'finished' } as const;
    };
    const scene = await open({ world: { watchAttempt } });
    expect(await scene.result()).toEqual(completed(1));
    const watches = scene.calls.filter(({ activity }) => activity === 'watchAttempt');
    expect(watches.map((call) => call.try)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(watches.map((call) => call.taskQueue))).toEqual(new Set([checkTaskQueue]));
    expect(await scheduled(scene)).toEqual(['submitAttempt', 'watchAttempt', 'storeAsset']);
    expect(await scene.events()).toHaveLength(31);
  });

  test('is ended by the callback', async () => {
    const scene = await open();
    await scene.until(isLive(1));
    await stage.advance('130s');
    expect(ordersOf(scene, 'watchAttempt').length).toBeGreaterThan(1);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });

  test('that finds the provider`s own queue comes back later as a new one', async () => {
    const reports = [{ outcome: 'queued' }, { outcome: 'finished' }] as const;
    let polls = 0;
    const scene = await open({ world: { watchAttempt: async () => reports[polls++] ?? reports[1] } });
    expect(await scene.result()).toEqual(completed(1));
    expect(await scheduled(scene)).toEqual(['submitAttempt', 'watchAttempt', 'watchAttempt', 'storeAsset']);
  });

  test('is made at once on a hint', async () => {
    const scene = await open({ world: { watchAttempt: async () => ({ outcome: 'finished' }) } });
    await scene.until(isLive(1));
    await scene.hint(1);
    expect(await scene.result()).toEqual(completed(1));
  });

  test('looks for a submit of which nobody knows what became', async () => {
    const submitAttempt = async () => {
      throw ApplicationFailure.nonRetryable('the worker fell over');
    };
    const scene = await open({ world: { submitAttempt, watchAttempt: async () => ({ outcome: 'finished' }) } });
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'submitAttempt')).toHaveLength(1);
    expect(ordersOf(scene, 'watchAttempt')).toEqual([{ attempt: 1, target: 0 }]);
  });
});

describe('a failure', () => {
  test('429 goes back to the same target, with the vendor`s own delay', async () => {
    const failure = failureOf('rate_limited', { retryAfterMs: 7_000 });
    const scene = await open({ route: twoTargets, world: submits({ kind: 'refused', failure }) });
    await scene.until(isWaiting);
    const ticket = { attempt: 2, target: 0, kind: 'retry' };
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([{ ticket, waitMs: 7_000 }]);
    await scene.permit({ ...secondPermit, target: 0 });
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
    expect(ordersOf(scene, 'submitAttempt')).toEqual([permit, { ...secondPermit, target: 0 }]);
  });

  test('of the provider moves on to the next target', async () => {
    const scene = await open({ route: twoTargets });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
    await scene.until(isWaiting);
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([
      { ticket: { attempt: 2, target: 1, kind: 'retry' }, waitMs: 0 },
    ]);
    await scene.permit(secondPermit);
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
  });

  test('of the request ends the job at once', async () => {
    const scene = await open({ route: twoTargets });
    await scene.until(isLive(1));
    const failure = failureOf('moderation', { vendorCode: '1403' });
    await scene.callback({ attempt: 1, outcome: 'failed', failure });
    expect(await scene.result()).toEqual({ phase: 'failed', failure });
    expect(ordersOf(scene, 'queueAttempt')).toEqual([]);
  });

  test('of the last target ends the job', async () => {
    const failure = failureOf('auth');
    const scene = await open({ world: submits({ kind: 'refused', failure }) });
    expect(await scene.result()).toEqual({ phase: 'failed', failure });
  });

  test('a permit that overtakes the queue`s answer is used', async () => {
    const opened = promised<Scene>();
    const queueAttempt = async () => {
      await (await opened.promise).permit(secondPermit);
      return 'granted' as const;
    };
    const scene = await open({
      route: twoTargets,
      world: { ...submits({ kind: 'refused', failure: failureOf('auth') }), queueAttempt },
    });
    opened.resolve(scene);
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
  });

  test('a stale attempt completes nobody else', async () => {
    const scene = await open({ route: twoTargets });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
    await scene.until(isWaiting);
    await scene.permit(secondPermit);
    await scene.until(isLive(2));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.callback({ attempt: 9, outcome: 'finished' });
    expect(await scene.timeline()).toMatchObject({ attempts: [{ phase: 'failed' }, { phase: 'live' }] });
    await scene.callback({ attempt: 2, outcome: 'failed', failure: failureOf('moderation') });
    expect(await scene.result()).toMatchObject({ phase: 'failed', failure: { code: 'moderation' } });
  });
});

describe('the copy', () => {
  const failure = failureOf('output_expired', { vendorCode: 'http_404' });
  /** A copy that ends when the test says so. */
  const waiting = () => {
    const copy = promised<StoreAnswer>();
    return { end: copy.resolve, world: { storeAsset: () => copy.promise } };
  };
  const isStoring = ({ attempts }: Awaited<ReturnType<Scene['timeline']>>): boolean =>
    attempts.some(({ phase }) => phase === 'storing');

  test('that needs several tries adds no history', async () => {
    let tries = 0;
    const storeAsset = async (): Promise<StoreAnswer> => {
      tries += 1;
      if (tries < 5) throw new Error('the store is away');
      return { kind: 'stored' };
    };
    const scene = await open({ world: { storeAsset } });
    await scene.untilEvent('TIMER_STARTED');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
    expect(tries).toBe(5);
    expect(await scene.eventNames()).toEqual(plainSuccess);
  });

  test('that can not be made fails its attempt: the next target makes another', async () => {
    const storeAsset = async ({ attempt }: StoreOrder): Promise<StoreAnswer> =>
      attempt === 1 ? { kind: 'failed', failure } : { kind: 'stored' };
    const scene = await open({ route: twoTargets, world: { storeAsset } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isWaiting);
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([{ ticket: { attempt: 2, target: 1, kind: 'retry' } }]);
    await scene.permit(secondPermit);
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
  });

  test('that can not be made, with nobody else on the route, fails the job', async () => {
    const scene = await open({ world: { storeAsset: async () => ({ kind: 'failed', failure }) } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual({ phase: 'failed', failure });
  });

  test('that is never made ends an hour later at the most', async () => {
    const storeAsset = async (): Promise<StoreAnswer> => {
      throw new Error('the store is away for good');
    };
    const scene = await open({ world: { storeAsset } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toMatchObject({ phase: 'failed', failure: { code: 'timed_out' } });
    const { startTime, closeTime } = await scene.handle.describe();
    const tookMs = (closeTime?.getTime() ?? 0) - startTime.getTime();
    // A try that would be due after the hour is not waited for.
    expect(tookMs).toBeGreaterThan(limits.storeMsMax - 62_000);
    expect(tookMs).toBeLessThan(limits.storeMsMax + 5_000);
  });

  test('that is never made buys no second video, which our store would lose as well', async () => {
    const storeAsset = async (): Promise<StoreAnswer> => {
      throw new Error('the store is away for good');
    };
    // Longer than the copy may take, or the run deadline would end it in any case.
    const route = twoTargets.map((target) => ({ ...target, longestMs: limits.storeMsMax }));
    const scene = await open({ route, world: { storeAsset } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual({ phase: 'failed', failure: failureOf('timed_out', { retry: 'never' }) });
    expect(ordersOf(scene, 'queueAttempt')).toEqual([]);
  });

  test('sends no permit that comes meanwhile, for it was withdrawn: should it fail, another is asked for', async () => {
    const { end, world } = waiting();
    const scene = await open({ route: twoTargets, world });
    await scene.until(isLive(1));
    await stage.advance('121s');
    await scene.until(isWaiting);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isStoring);
    await scene.permit(secondPermit);
    expect(await scene.timeline()).toMatchObject({ attempts: [{ phase: 'storing' }, { phase: 'void' }] });
    end({ kind: 'failed', failure });
    await scene.until(({ ticket }) => ticket?.attempt === 3);
    expect(ordersOf(scene, 'submitAttempt')).toHaveLength(1);
    await scene.permit({ attempt: 3, target: 1, grant: '33' });
    await scene.until(isLive(3));
    await scene.callback({ attempt: 3, outcome: 'failed', failure: failureOf('no_credit') });
    expect(await scene.result()).toMatchObject({ failure: { code: 'no_credit' } });
  });

  test('is one at a time: a second video waits, and is not copied in vain', async () => {
    const { end, world } = waiting();
    const scene = await open({ route: twoTargets, world });
    await scene.until(isLive(1));
    await stage.advance('121s');
    await scene.until(isWaiting);
    await scene.permit(secondPermit);
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.timeline()).toMatchObject({ attempts: [{ phase: 'finished' }, { phase: 'storing' }] });
    end({ kind: 'stored' });
    expect(await scene.result()).toEqual(completed(2));
    expect(ordersOf(scene, 'storeAsset')).toEqual([{ attempt: 2 }]);
  });

  test('is not cut off by an end that is told again', async () => {
    const { end, world } = waiting();
    const scene = await open({ world });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isStoring);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.hint(1);
    end({ kind: 'stored' });
    expect(await scene.result()).toEqual(completed(1));
    expect(await scheduled(scene)).toEqual(['submitAttempt', 'storeAsset']);
  });

  test.each([
    ['our signal', (scene: Scene) => scene.handle.signal('cancel')],
    ['Temporal UI', (scene: Scene) => scene.handle.cancel()],
  ])('is given up for a cancel by %s, which does not wait for it', async (_, cancel) => {
    const cut = promised<unknown>();
    const storeAsset = async (): Promise<StoreAnswer> => {
      const context = Context.current();
      const heartbeat = setInterval(() => context.heartbeat(), 10);
      await context.cancelled.catch(cut.resolve).finally(() => clearInterval(heartbeat));
      throw new Error('cut off');
    };
    const scene = await open({ world: { storeAsset } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isStoring);
    await cancel(scene);
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
    expect(ordersOf(scene, 'settleJob')).toEqual([{ verdict: { phase: 'cancelled' } }]);
    expect(await cut.promise).toBeInstanceOf(CancelledFailure);
  });

  test('of a job that somebody else has ended asks for the verdict', async () => {
    const stands = { phase: 'cancelled' } as const;
    const scene = await open({
      world: { storeAsset: async () => ({ kind: 'job_final' }), settleJob: async () => stands },
    });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(stands);
  });
});

describe('patience', () => {
  const stoppable: Route = [makeTarget({ stoppable: true }), makeTarget({ name: 'vendor/two' })];

  const impatient: Route = [makeTarget({ patienceMs: 70_000 }), makeTarget({ name: 'vendor/two' })];

  async function overlapping(route: Route): Promise<Scene> {
    const scene = await open({ route });
    await scene.until(isLive(1));
    await stage.advance('121s');
    await scene.until(isWaiting);
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([
      { ticket: { attempt: 2, target: 1, kind: 'overlap' }, waitMs: 0 },
    ]);
    await scene.permit(secondPermit);
    await scene.until(isLive(2));
    return scene;
  }

  test('over: the next target tries as well, and may win; the loser is stopped after the settle', async () => {
    const scene = await overlapping(stoppable);
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
    expect(scene.calls.map(({ activity }) => activity).filter((activity) => activity !== 'watchAttempt')).toEqual([
      'submitAttempt',
      'queueAttempt',
      'submitAttempt',
      'storeAsset',
      'settleJob',
      'stopAttempt',
    ]);
    expect(ordersOf(scene, 'stopAttempt')).toEqual([{ attempt: 1 }]);
  });

  test('over: the first may still win, and a loser that can`t be stopped is left alone', async () => {
    const scene = await overlapping(stoppable);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'stopAttempt')).toEqual([]);
  });

  test('over: moderation at one leaves the other its chance', async () => {
    const scene = await overlapping(twoTargets);
    await scene.callback({ attempt: 2, outcome: 'failed', failure: failureOf('moderation') });
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });

  test('over before the first poll: the provider is asked, and an end that it tells is all that is bought', async () => {
    const scene = await open({ route: impatient, world: { watchAttempt: async () => ({ outcome: 'finished' }) } });
    await scene.until(isLive(1));
    await stage.advance('80s');
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'queueAttempt')).toEqual([]);
  });

  test('over before the first poll: the provider is asked, and the next target tries when that tells nothing', async () => {
    const scene = await open({ route: impatient });
    await scene.until(isLive(1));
    await stage.advance('80s');
    await scene.until(isWaiting);
    expect(scene.calls.map(({ activity }) => activity)).toEqual(['submitAttempt', 'watchAttempt', 'queueAttempt']);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });

  test('a waiting overlap becomes a retry when the last sibling ends', async () => {
    const scene = await open({ route: twoTargets });
    await scene.until(isLive(1));
    await stage.advance('121s');
    await scene.until(isWaiting);
    await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
    await scene.until(({ ticket }) => ticket?.kind === 'retry');
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([
      { ticket: { kind: 'overlap' } },
      { ticket: { attempt: 2, target: 1, kind: 'retry' } },
    ]);
    await scene.permit(secondPermit);
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
  });

  test('a stop that fails changes nothing', async () => {
    const stopAttempt = async () => {
      throw ApplicationFailure.nonRetryable('the vendor laughs');
    };
    const scene = await open({ route: stoppable, world: { stopAttempt } });
    await scene.until(isLive(1));
    await scene.handle.signal('cancel');
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
    expect(ordersOf(scene, 'stopAttempt')).toEqual([{ attempt: 1 }]);
  });
});

describe('the end', () => {
  const ways: readonly (readonly [string, (scene: Scene) => Promise<unknown>])[] = [
    ['our signal', (scene) => scene.handle.signal('cancel')],
    ['Temporal UI', (scene) => scene.handle.cancel()],
  ];

  test.each(ways)('cancel by %s, while live: settled, and the poll with it', async (_, cancel) => {
    const scene = await open();
    await scene.until(isLive(1));
    await stage.advance('91s');
    await cancel(scene);
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
    expect(ordersOf(scene, 'settleJob')).toEqual([{ verdict: { phase: 'cancelled' } }]);
    expect((await scene.handle.describe()).status.name).toBe('COMPLETED');
  });

  test.each(ways)('cancel by %s, before the first permit', async (_, cancel) => {
    const scene = await stage.open({ route: oneTarget });
    await cancel(scene);
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
    expect(ordersOf(scene, 'submitAttempt')).toEqual([]);
  });

  test('by the run deadline', async () => {
    const watchAttempt = async () => {
      throw notYet('5m');
    };
    const scene = await open({ world: { watchAttempt } });
    expect(await scene.result()).toEqual({ phase: 'failed', failure: failureOf('timed_out', { retry: 'never' }) });
  });

  test('by the run deadline, for a ticket that nobody grants', async () => {
    const scene = await open({ world: submits({ kind: 'refused', failure: failureOf('rate_limited') }) });
    expect(await scene.result()).toEqual({ phase: 'failed', failure: failureOf('timed_out', { retry: 'never' }) });
    expect(ordersOf(scene, 'queueAttempt')).toHaveLength(1);
  });

  test('the verdict that stands wins over the workflow`s own', async () => {
    const scene = await open({ world: { settleJob: async () => ({ phase: 'cancelled' }) } });
    await scene.until(isLive(1));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
  });

  test.each([
    { kind: 'job_final', stands: { phase: 'failed', failure: failureOf('queue_deadline') } },
    { kind: 'cancel_requested', stands: { phase: 'cancelled' } },
  ] as const)('a submit that finds $kind sends nothing and asks for the verdict', async ({ kind, stands }) => {
    const scene = await open({ world: { ...submits({ kind }), settleJob: async () => stands } });
    expect(await scene.result()).toEqual(stands);
  });

  test.each(['job_final', 'cancel_requested'] as const)('a queue that finds %s ends it too', async (answer) => {
    const world = {
      ...submits({ kind: 'refused', failure: failureOf('rate_limited') }),
      queueAttempt: async () => answer,
    };
    const scene = await open({ world });
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
  });

  test('a permit that was lost is asked for anew', async () => {
    const scene = await open({ world: submits({ kind: 'permit_lost' }) });
    await scene.until(isWaiting);
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([{ ticket: { attempt: 2, target: 0, kind: 'retry' } }]);
    await scene.handle.terminate();
  });

  test('bookkeeping that fails locally is done by the same activity as a regular one', async () => {
    const failing = new Set(['queueAttempt', 'settleJob']);
    const once = (activity: string): void => {
      if (failing.delete(activity)) throw ApplicationFailure.nonRetryable('Postgres restarts');
    };
    const world: Partial<Activities> = {
      ...submits({ kind: 'refused', failure: failureOf('auth') }),
      queueAttempt: async () => {
        once('queueAttempt');
        return 'job_final';
      },
      settleJob: async () => {
        once('settleJob');
        return { phase: 'cancelled' };
      },
    };
    const scene = await open({ route: twoTargets, world });
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
    expect(scene.calls.map(({ activity, isLocal }) => [activity, isLocal])).toEqual([
      ['submitAttempt', false],
      ['queueAttempt', true],
      ['queueAttempt', false],
      ['settleJob', true],
      ['settleJob', false],
    ]);
  });
});

describe('after an earlier run was lost', () => {
  test('what is live is asked for at the provider, and never sent again', async () => {
    const known = [{ attempt: 1, target: 0, grant: '11', phase: 'live' as const }];
    const scene = await stage.open({
      route: oneTarget,
      known,
      world: { watchAttempt: async () => ({ outcome: 'finished' }) },
    });
    expect(await scene.result()).toEqual(completed(1));
    expect(ordersOf(scene, 'submitAttempt')).toEqual([]);
  });

  test.each([
    { phase: 'finished', activities: ['storeAsset'] },
    { phase: 'stored', activities: [] },
  ] as const)('what is $phase is settled, after $activities', async ({ phase, activities }) => {
    const known = [{ attempt: 3, target: 0, grant: '33', phase }];
    const scene = await stage.open({ route: oneTarget, known });
    expect(await scene.result()).toEqual(completed(3));
    expect(await scheduled(scene)).toEqual(activities);
  });

  test('what has failed goes on with the next attempt', async () => {
    const known = [{ attempt: 1, target: 0, grant: '11', phase: 'failed' as const, failure: failureOf('no_credit') }];
    const scene = await stage.open({ route: twoTargets, known, permit: secondPermit });
    await scene.until(isLive(2));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
    expect(ordersOf(scene, 'submitAttempt')).toEqual([secondPermit]);
  });
});
