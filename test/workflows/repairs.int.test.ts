import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Activities } from '../../src/contracts/activities.ts';
import type { RepairName, RepairOrders } from '../../src/contracts/repairs.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { oneTarget, twoTargets } from '../domain/make.ts';
import { bundleWorkflows } from './bundle.ts';
import { notYet, openStage, type Play, type Scene, type Stage } from './stage.ts';

let bundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  bundle = await bundleWorkflows();
});
let stage: Stage;
beforeEach(async () => {
  stage = await openStage(bundle);
});
afterEach(async () => {
  await stage.close();
});

const permit = { attempt: 1, target: 0, grant: '11' };
const secondPermit = { attempt: 2, target: 1, grant: '22' };
const signed = { by: 'ada', reason: 'a test' };
const open = (play: Partial<Play> = {}): Promise<Scene> => stage.open({ route: twoTargets, permit, ...play });
const completed = (attempt: number) => ({ phase: 'completed', attempt });
type Story = Awaited<ReturnType<Scene['timeline']>>;
const isAt =
  (number: number, phase: string) =>
  ({ attempts }: Story): boolean =>
    attempts.some((attempt) => attempt.number === number && attempt.phase === phase);
const ordersOf = (scene: Scene, activity: keyof Activities) =>
  scene.calls.filter((call) => call.activity === activity).map(({ order }) => order);

/** A job whose first attempt has failed and whose second one waits for its permit. */
async function waiting(play: Partial<Play> = {}): Promise<Scene> {
  const scene = await open(play);
  await scene.until(isAt(1, 'live'));
  await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
  await scene.until(({ ticket }) => ticket !== null);
  return scene;
}

describe('pollNow', () => {
  test('asks the provider at once, and again where a poll waits for its next try', async () => {
    let polls = 0;
    const watchAttempt: Activities['watchAttempt'] = async () => {
      polls += 1;
      if (polls === 1) return { outcome: 'queued' };
      return { outcome: 'finished' };
    };
    const scene = await open({ route: oneTarget, world: { watchAttempt } });
    await scene.until(isAt(1, 'live'));
    expect(await scene.repair('pollNow', signed)).toBe('The provider of every live attempt is asked now.');
    await scene.until(() => polls === 1);
    await scene.repair('pollNow', signed);
    expect(await scene.result()).toEqual(completed(1));
    expect(polls).toBe(2);
  });

  test('is written down once, with who and why, under the id of its update', async () => {
    const scene = await open();
    await scene.until(isAt(1, 'live'));
    await scene.repair('pollNow', signed, 'first');
    await scene.repair('pollNow', signed, 'first');
    const [note, ...more] = ordersOf(scene, 'noteRepair');
    expect(note).toMatchObject({ repair: 'pollNow', ...signed, request: `${scene.jobId}:first` });
    expect(more).toEqual([]);
    await scene.handle.terminate();
  });
});

describe('switchTarget', () => {
  test('moves what waits, and the permit of there is used', async () => {
    const scene = await waiting();
    const outcome = await scene.repair('switchTarget', { ...signed, target: 'vendor/one' });
    expect(outcome).toBe('The job waits for its permit at vendor/one.');
    // The tenant sees the timeline: its wish is under an id that says which operator it was.
    expect(await scene.timeline()).not.toHaveProperty('wish');
    expect(ordersOf(scene, 'moveTicket')).toMatchObject([{ ticket: { attempt: 2, target: 0, kind: 'retry' } }]);
    await scene.permit({ ...secondPermit, target: 0 });
    await scene.until(isAt(2, 'live'));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
  });

  test('works before the first permit too', async () => {
    const scene = await stage.open({ route: twoTargets });
    await scene.repair('switchTarget', { ...signed, target: 'vendor/two' });
    expect(await scene.timeline()).toMatchObject({ ticket: { attempt: 1, target: 1, kind: 'first' } });
    await scene.handle.terminate();
  });

  test.each([
    { answer: 'too_dear', says: /would cost more/ },
    { answer: 'no_budget', says: /has no room for vendor\/one now/ },
    { answer: 'gone', says: /just got its permit/ },
  ] as const)('says so where the ticket is $answer, and changes nothing', async ({ answer, says }) => {
    const scene = await waiting({ world: { moveTicket: async () => answer } });
    expect(await scene.repair('switchTarget', { ...signed, target: 'vendor/one' })).toMatch(says);
    expect(await scene.timeline()).toMatchObject({ ticket: { target: 1 } });
    await scene.handle.terminate();
  });

  test('beside a live attempt is refused, and with force queues another one there', async () => {
    const scene = await open();
    await scene.until(isAt(1, 'live'));
    const order = { ...signed, target: 'vendor/two' };
    await expect(scene.repair('switchTarget', order)).rejects.toThrow('Attempt 1 may still be paid for');
    expect(await scene.repair('switchTarget', { ...order, force: true })).toMatch('waits for its permit at vendor/two');
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([{ ticket: { attempt: 2, target: 1, kind: 'overlap' } }]);
    expect(ordersOf(scene, 'noteRepair')).toMatchObject([{ force: true, target: 1 }]);
    await scene.permit(secondPermit);
    await scene.until(isAt(2, 'live'));
    await scene.callback({ attempt: 2, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(2));
  });

  /** A job whose copy takes longer than a minute, and then comes to its end. */
  async function copying(verdict: 'noted' | 'kept' | 'too_dear' | 'no_budget') {
    let isCopied = false;
    const end = (): void => void (isCopied = true);
    const storeAsset: Activities['storeAsset'] = async () => {
      if (!isCopied) throw notYet('5s');
      return { kind: 'stored' };
    };
    const noteRepair = async () => ({ verdict, byMs: 0, endsAt: 0 }) as const;
    const scene = await open({ world: { storeAsset, noteRepair } });
    await scene.until(isAt(1, 'live'));
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isAt(1, 'storing'));
    await stage.advance('70s');
    return { scene, end };
  }
  const elsewhere = { ...signed, target: 'vendor/two', force: true };

  test.each([
    { verdict: 'too_dear', says: /would cost more/ },
    { verdict: 'no_budget', says: /has no room for vendor\/two now/ },
    { verdict: 'kept', says: /is ours already/ },
  ] as const)('while a video is being copied is $verdict: the copy goes on, and is the result', async (given) => {
    const { scene, end } = await copying(given.verdict);
    expect(await scene.repair('switchTarget', elsewhere)).toMatch(given.says);
    expect(ordersOf(scene, 'noteRepair')).toMatchObject([{ force: true, copies: [1], target: 1 }]);
    expect(await scene.timeline()).toMatchObject({ attempts: [{ phase: 'storing' }], ticket: null });
    end();
    expect(await scene.result()).toEqual(completed(1));
  });

  test('while a video is being copied gives the copy up once that is noted', async () => {
    const { scene, end } = await copying('noted');
    expect(await scene.repair('switchTarget', elsewhere)).toMatch('waits for its permit at vendor/two');
    await scene.permit(secondPermit);
    await scene.until(isAt(2, 'live'));
    await scene.handle.terminate();
    end();
  });

  test('and takes its video all the same where it ends well: it is paid for', async () => {
    const { scene, end } = await copying('noted');
    await scene.repair('switchTarget', elsewhere);
    await scene.permit(secondPermit);
    await scene.until(isAt(2, 'live'));
    end();
    expect(await scene.result()).toEqual(completed(1));
  });

  test('with force, of what waits, pays for nothing twice where its permit comes while it is noted', async () => {
    let release: () => void = () => undefined;
    const noted = new Promise<void>((resolve) => (release = resolve));
    const noteRepair: Activities['noteRepair'] = async () => {
      await noted;
      return { verdict: 'noted', byMs: 0, endsAt: 0 };
    };
    const scene = await waiting({ world: { noteRepair } });
    const answer = scene.repair('switchTarget', { ...signed, target: 'vendor/one', force: true });
    await scene.until(() => ordersOf(scene, 'noteRepair').length > 0);
    await scene.permit(secondPermit);
    await scene.until(isAt(2, 'live'));
    release();
    expect(await answer).toMatch('What has happened meanwhile forbids it');
    expect(ordersOf(scene, 'noteRepair')).not.toMatchObject([{ force: true }]);
    expect(ordersOf(scene, 'queueAttempt')).toHaveLength(1);
    await scene.handle.terminate();
  });

  test('that an earlier run has done, before a reset, is not done again', async () => {
    const noteRepair = async () => ({ verdict: 'repeated', byMs: 0, endsAt: 0 }) as const;
    const scene = await open({ world: { noteRepair } });
    await scene.until(isAt(1, 'live'));
    const order = { ...signed, target: 'vendor/two', force: true };
    expect(await scene.repair('switchTarget', order)).toMatch('is not done again');
    expect(ordersOf(scene, 'queueAttempt')).toEqual([]);
    await scene.handle.terminate();
  });

  test('of a job that ends meanwhile is answered, not left hanging', async () => {
    let release: () => void = () => undefined;
    const noted = new Promise<void>((resolve) => (release = resolve));
    const noteRepair: Activities['noteRepair'] = async () => {
      await noted;
      return { verdict: 'job_final', byMs: 0, endsAt: 0 };
    };
    const scene = await waiting({ world: { noteRepair } });
    const answer = scene.repair('switchTarget', { ...signed, target: 'vendor/one' });
    await scene.until(() => ordersOf(scene, 'noteRepair').length > 0);
    await scene.handle.signal('cancel');
    release();
    expect(await answer).toMatch('has ended meanwhile');
    expect(await scene.result()).toEqual({ phase: 'cancelled' });
  });
});

describe('resubmit', () => {
  test('sends what waits elsewhere back to where the last attempt was', async () => {
    const scene = await waiting();
    expect(await scene.repair('resubmit', signed)).toBe('The job waits for its permit at vendor/one.');
    expect(ordersOf(scene, 'moveTicket')).toMatchObject([{ ticket: { attempt: 2, target: 0 } }]);
    await scene.handle.terminate();
  });

  test('is refused while the answer to a submit is lost, and forced buys another beside it', async () => {
    const scene = await open({ route: oneTarget, world: { submitAttempt: async () => ({ kind: 'unknown' }) } });
    await scene.until(isAt(1, 'unknown'));
    await expect(scene.repair('resubmit', signed)).rejects.toThrow('Attempt 1 may still be paid for');
    await scene.repair('resubmit', { ...signed, force: true });
    expect(ordersOf(scene, 'queueAttempt')).toMatchObject([{ ticket: { attempt: 2, target: 0, kind: 'overlap' } }]);
    await scene.handle.terminate();
  });

  test('is refused where nothing was sent yet', async () => {
    const scene = await stage.open({ route: oneTarget });
    await expect(scene.repair('resubmit', signed)).rejects.toThrow('Nothing was sent for the job yet');
    await scene.handle.terminate();
  });
});

describe('extendDeadline', () => {
  test('is refused while the first attempt is being sent: the deadline is set with that', async () => {
    let release: () => void = () => undefined;
    const sent = new Promise<void>((resolve) => (release = resolve));
    const submitAttempt: Activities['submitAttempt'] = async () => {
      await sent;
      return { kind: 'accepted' };
    };
    const scene = await open({ world: { submitAttempt } });
    await scene.until(isAt(1, 'submitting'));
    const order = { ...signed, seconds: 60 };
    await expect(scene.repair('extendDeadline', order)).rejects.toThrow('Attempt 1 is just being sent');
    expect(ordersOf(scene, 'noteRepair')).toEqual([]);
    release();
    await scene.until(isAt(1, 'live'));
    expect(await scene.repair('extendDeadline', order)).toMatch('The job has until');
    await scene.handle.terminate();
  });

  test('lets a job go on that would have ended', async () => {
    const scene = await open({ route: oneTarget });
    await scene.until(isAt(1, 'live'));
    const before = (await scene.timeline()).runDeadlineAt ?? 0;
    expect(await scene.repair('extendDeadline', { ...signed, seconds: 7_200 })).toMatch(/^The job has until /);
    expect((await scene.timeline()).runDeadlineAt).toBe(before + 7_200_000);
    await stage.advance('90m');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });
});

describe('giveUp', () => {
  test('ends the job as terminated, whatever it waits for', async () => {
    const scene = await waiting();
    expect(await scene.repair('giveUp', signed)).toMatch('ends as failed');
    expect(await scene.result()).toEqual({ phase: 'failed', failure: failureOf('terminated') });
    await expect(scene.repair('giveUp', signed)).rejects.toThrow(/completed|not found/);
  });

  test('of a job that completes while it is noted says so', async () => {
    let release: () => void = () => undefined;
    const noted = new Promise<void>((resolve) => (release = resolve));
    const noteRepair: Activities['noteRepair'] = async () => {
      await noted;
      return { verdict: 'noted', byMs: 0, endsAt: 0 };
    };
    const scene = await open({ world: { noteRepair } });
    await scene.until(isAt(1, 'live'));
    const answer = scene.repair('giveUp', signed);
    await scene.until(() => ordersOf(scene, 'noteRepair').length > 0);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isAt(1, 'stored'));
    release();
    expect(await answer).toMatch('has ended meanwhile');
    expect(await scene.result()).toEqual(completed(1));
  });

  test('that can`t be noted fails, and its workflow lives on', async () => {
    const noteRepair: Activities['noteRepair'] = async () => {
      throw ApplicationFailure.nonRetryable('not to be noted', 'NotNoted');
    };
    const scene = await open({ world: { noteRepair } });
    await scene.until(isAt(1, 'live'));
    await expect(scene.repair('giveUp', signed)).rejects.toThrow('not to be noted');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    expect(await scene.result()).toEqual(completed(1));
  });

  test('waits for the note of it, so that none is lost with its workflow', async () => {
    const scene = await open();
    await scene.until(isAt(1, 'live'));
    await scene.repair('giveUp', signed);
    await scene.result();
    expect(scene.calls.map(({ activity }) => activity)).toEqual(['submitAttempt', 'noteRepair', 'settleJob']);
    expect(scene.calls.filter(({ isLocal }) => isLocal)).toHaveLength(2);
  });
});

describe('what is refused', () => {
  const bad: readonly (readonly [RepairName, unknown, RegExp])[] = [
    ['pollNow', undefined, /There is none\. Give one JSON object such as \{"by":"your name","reason":"why"\}/],
    ['pollNow', [], /Give one JSON object/],
    ['pollNow', { by: 'ada' }, /`reason` has to be one line/],
    ['pollNow', { by: '  ', reason: 'why' }, /`by` has to be one line/],
    ['pollNow', { by: 'a'.repeat(limits.actorCharsMax + 1), reason: 'why' }, /`by` has to be one line/],
    ['pollNow', { by: 'ada', reason: 'two\nlines' }, /`reason` has to be one line/],
    ['pollNow', { ...signed, force: true }, /There is no member "force"/],
    ['giveUp', { ...signed, reasons: 'x' }, /There is no member "reasons"\. Known are by, reason\./],
    ['switchTarget', signed, /`target` has to be one line/],
    ['switchTarget', { ...signed, target: 'vendor/three' }, /Its route is vendor\/one, vendor\/two\./],
    ['switchTarget', { ...signed, target: 'vendor/two', force: 'yes' }, /`force` has to be true or false/],
    ['extendDeadline', { ...signed, seconds: 0 }, /`seconds` has to be a whole number from 1 to/],
    ['extendDeadline', { ...signed, seconds: limits.extendSecondsMax + 1 }, /`seconds` has to be/],
    ['extendDeadline', { ...signed, seconds: '60' }, /`seconds` has to be/],
  ];

  test('leaves no event behind, and says what to do', async () => {
    const scene = await open();
    await scene.untilEvent('TIMER_STARTED');
    const before = await scene.eventNames();
    for (const [name, order, says] of bad) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is what may come, and not what should.
      const given = order as RepairOrders[RepairName];
      await expect(scene.repair(name, given)).rejects.toThrow(says);
    }
    const added = (await scene.eventNames()).slice(before.length);
    expect(added.filter((name) => !name.startsWith('WORKFLOW_TASK'))).toEqual([]);
    expect(ordersOf(scene, 'noteRepair')).toEqual([]);
    await scene.handle.terminate();
  });

  test.each(['漢', 'two\nlines', 'a'.repeat(limits.updateIdCharsMax + 1)])(
    'has an id that nobody could note: %j',
    async (id) => {
      const scene = await open();
      await scene.until(isAt(1, 'live'));
      await expect(scene.repair('pollNow', signed, id)).rejects.toThrow('The update id has to be');
      expect(ordersOf(scene, 'noteRepair')).toEqual([]);
      await scene.handle.terminate();
    },
  );

  test('is named by its type, so that whoever sent it can tell it from a fault', async () => {
    const scene = await stage.open({ route: oneTarget });
    await expect(scene.repair('pollNow', signed)).rejects.toMatchObject({ type: 'RepairRefused', nonRetryable: true });
    await scene.handle.terminate();
  });
});
