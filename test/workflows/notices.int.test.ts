import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Activities } from '../../src/contracts/activities.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { makeTarget, oneTarget } from '../domain/make.ts';
import { bundleWorkflows } from './bundle.ts';
import { openStage, type Play, type Scene, type Stage } from './stage.ts';

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
const started = { Tenant: 'acme', VideoModel: 'wan-2.6', VideoProvider: 'vendor' };
const open = (play: Partial<Play> = {}): Promise<Scene> =>
  stage.open({ route: oneTarget, permit, stuckAfterMs: 300_000, attributes: started, ...play });

/** What each change of its search attributes said, in order. */
async function upsertsOf(scene: Scene): Promise<readonly object[]> {
  const decode = (data: Uint8Array | null | undefined): unknown =>
    JSON.parse(Buffer.from(data ?? []).toString() || 'null');
  return (await scene.events()).flatMap(({ upsertWorkflowSearchAttributesEventAttributes: upsert }) => {
    const fields = Object.entries(upsert?.searchAttributes?.indexedFields ?? {});
    return upsert ? [Object.fromEntries(fields.map(([name, { data }]) => [name, decode(data)]))] : [];
  });
}

async function summariesOf(scene: Scene): Promise<readonly string[]> {
  return (await scene.events()).flatMap(({ userMetadata }) => {
    const data = userMetadata?.summary?.data;
    return data ? [String(JSON.parse(Buffer.from(data).toString()))] : [];
  });
}

const isAt =
  (phase: string) =>
  ({ attempts }: Awaited<ReturnType<Scene['timeline']>>): boolean =>
    attempts.some((attempt) => attempt.phase === phase);

describe('a healthy job', () => {
  test('costs no event for all that it shows: 24, as without', async () => {
    const scene = await open();
    await scene.untilEvent('TIMER_STARTED');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.result();
    expect(await scene.eventNames()).toHaveLength(24);
    expect(await upsertsOf(scene)).toEqual([]);
  });

  test('has a summary on each activity and timer, and names where it is sent', async () => {
    const scene = await open();
    await scene.untilEvent('TIMER_STARTED');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.result();
    const at = 'attempt 1 at vendor/one';
    expect(await summariesOf(scene)).toEqual([at, 'next poll of attempt 1', at, 'completed']);
  });

  test('without a bound, as in histories of before, is never stuck', async () => {
    const { stuckAfterMs: _none, ...play } = { route: oneTarget, permit, stuckAfterMs: 0 };
    const scene = await stage.open(play);
    await scene.until(isAt('live'));
    await stage.advance('300s');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.result();
    expect(await upsertsOf(scene)).toEqual([]);
  });
});

describe('a job that is stuck', () => {
  test('says so once for each cause, and twice at most', async () => {
    const scene = await open();
    await scene.until(isAt('live'));
    await stage.advance('155s');
    expect(await upsertsOf(scene)).toEqual([{ StuckCause: 'waiting_callback_overdue' }]);
    await stage.advance('60s');
    const twice = [{ StuckCause: 'waiting_callback_overdue' }, { StuckCause: 'polling_provider_slow' }];
    expect(await upsertsOf(scene)).toEqual(twice);
    await stage.advance('200s');
    await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('rate_limited') });
    await stage.advance('400s');
    expect(await upsertsOf(scene)).toEqual(twice);
    await scene.handle.terminate();
  });

  test('by its provider, while it waits for the next attempt, names the provider that it waits for', async () => {
    const route = [makeTarget(), makeTarget({ name: 'other/two', provider: 'other' })];
    const scene = await open({ route });
    await scene.until(isAt('live'));
    await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
    await scene.until(({ ticket }) => ticket !== null);
    await stage.advance('305s');
    expect(await upsertsOf(scene)).toEqual([{ StuckCause: 'waiting_capacity', VideoProvider: 'other' }]);
    await scene.handle.terminate();
  });

  test('that was shown because it waited is taken out when its permit comes', async () => {
    const attributes = { ...started, StuckCause: 'waiting_capacity' } as const;
    const waitingSince = Date.now() - 400_000;
    const scene = await stage.open({ route: oneTarget, stuckAfterMs: 300_000, waitingSince, attributes });
    expect(await scene.details()).toContain('**Stuck: `waiting_capacity`**');
    await scene.permit(permit);
    await scene.until(isAt('live'));
    expect(await upsertsOf(scene)).toEqual([{ StuckCause: null }]);
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.result();
    expect(await upsertsOf(scene)).toHaveLength(1);
  });

  test('that is told what its provider says to its line changes its cause', async () => {
    const attributes = { ...started, StuckCause: 'waiting_capacity' } as const;
    const waitingSince = Date.now() - 400_000;
    const scene = await stage.open({ route: oneTarget, stuckAfterMs: 300_000, waitingSince, attributes });
    await scene.handle.signal('hint', { attempt: 0, refusal: 'no_credit' });
    await scene.until(({ refusal }) => refusal === 'no_credit');
    expect(await upsertsOf(scene)).toEqual([{ StuckCause: 'no_credit' }]);
    await scene.handle.terminate();
  });

  test('because its copy does not come to an end says so when it is woken', async () => {
    const storeAsset: Activities['storeAsset'] = async () => {
      throw new Error('the store is away');
    };
    const scene = await open({ world: { storeAsset } });
    await scene.untilEvent('TIMER_STARTED');
    await scene.callback({ attempt: 1, outcome: 'finished' });
    await scene.until(isAt('storing'));
    await stage.advance('70s');
    expect(await upsertsOf(scene)).toEqual([]);
    await scene.hint(1);
    await scene.until(() => true);
    expect(await upsertsOf(scene)).toEqual([{ StuckCause: 'storing_asset' }]);
    await scene.handle.terminate();
  });
});

describe('the account of a job', () => {
  test('tells where it stands, since when, what is next, and the attempts', async () => {
    const scene = await open();
    await scene.until(isAt('live'));
    const told = await scene.details();
    expect(told).toMatch(
      /^\*\*Attempt 1\*\* at `vendor\/one` is with the provider, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\./,
    );
    expect(told).toMatch(/Next: next poll of attempt 1, at \d{4}-/);
    expect(told).toMatch(/\| 1 \| vendor\/one \| 11 \| is with the provider \|/);
    expect(told).toContain(`npm run ops -- show ${scene.jobId}`);
    expect(told.length).toBeLessThanOrEqual(limits.detailsCharsMax);
    await scene.handle.terminate();
  });
});
