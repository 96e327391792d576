import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { failureOf } from '../../src/domain/failure.ts';
import { oneTarget, twoTargets } from '../domain/make.ts';
import { until } from '../support/until.ts';
import { bundleWorkflows } from './bundle.ts';
import { historiesOf, unreleased } from './releases.ts';
import { notYet, openStage, type Play, type Scene, type Stage } from './stage.ts';

interface Story {
  readonly name: string;
  readonly play: Omit<Play, 'jobId'>;
  readonly live: (scene: Scene, stage: Stage) => Promise<void>;
}

const permit = { attempt: 1, target: 0, grant: '11' };
const signed = { by: 'ada', reason: 'to be recorded' };
const attributes = { Tenant: 'acme', VideoModel: 'wan-2.6', VideoProvider: 'vendor' };
let polls = 0;

/** The stories whose histories are kept, and replayed on every change. */
const stories: readonly Story[] = [
  {
    name: 'plain-success',
    play: { route: oneTarget, permit },
    async live(scene) {
      await untilRest(scene, 'TIMER_STARTED');
      await scene.callback({ attempt: 1, outcome: 'finished' });
    },
  },
  {
    name: 'poll-fallback',
    play: {
      route: oneTarget,
      permit,
      world: {
        watchAttempt: async () => {
          polls += 1;
          if (polls % 3 !== 0) throw notYet();
          return { outcome: 'finished' };
        },
      },
    },
    live: async () => undefined,
  },
  {
    name: 'failover',
    play: { route: twoTargets, permit },
    async live(scene) {
      await untilRest(scene, 'TIMER_STARTED');
      await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
      await untilRest(scene, 'MARKER_RECORDED');
      await scene.permit({ attempt: 2, target: 1, grant: '22' });
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED', 2);
      await scene.callback({ attempt: 2, outcome: 'finished' });
    },
  },
  {
    name: 'copy-failed',
    play: {
      route: twoTargets,
      permit,
      world: {
        storeAsset: async ({ attempt }) =>
          attempt === 1 ? { kind: 'failed', failure: failureOf('output_expired') } : { kind: 'stored' },
      },
    },
    async live(scene) {
      await untilRest(scene, 'TIMER_STARTED');
      await scene.callback({ attempt: 1, outcome: 'finished' });
      await untilRest(scene, 'MARKER_RECORDED');
      await scene.permit({ attempt: 2, target: 1, grant: '22' });
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED', 3);
      await scene.callback({ attempt: 2, outcome: 'finished' });
    },
  },
  {
    // Given up, and there after all: its copy withdraws the ticket that waited, and fails.
    name: 'late-video',
    play: {
      route: twoTargets,
      permit,
      world: {
        storeAsset: async ({ attempt }) =>
          attempt === 1 ? { kind: 'failed', failure: failureOf('output_expired') } : { kind: 'stored' },
      },
    },
    async live(scene) {
      await untilRest(scene, 'TIMER_STARTED');
      await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('ambiguous_submit') });
      await untilRest(scene, 'MARKER_RECORDED');
      await scene.callback({ attempt: 1, outcome: 'finished' });
      await untilRest(scene, 'MARKER_RECORDED', 2);
      await scene.permit({ attempt: 3, target: 1, grant: '33' });
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED', 3);
      await scene.callback({ attempt: 3, outcome: 'finished' });
    },
  },
  {
    name: 'cancel',
    play: { route: oneTarget, permit },
    async live(scene, stage) {
      await untilRest(scene, 'TIMER_STARTED');
      await stage.advance('91s');
      await scene.handle.cancel();
    },
  },
  {
    // Shown because it waited, then slow at its provider: both of its search attributes' changes are spent.
    name: 'stuck',
    play: {
      route: oneTarget,
      stuckAfterMs: 300_000,
      waitingSince: 0,
      attributes: { ...attributes, StuckCause: 'waiting_capacity' },
    },
    async live(scene, stage) {
      await untilRest(scene, 'WORKFLOW_TASK_COMPLETED');
      await scene.permit(permit);
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED');
      await stage.advance('155s');
      await untilRest(scene, 'UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', 2);
      await scene.callback({ attempt: 1, outcome: 'finished' });
    },
  },
  {
    name: 'repaired-in-line',
    play: { route: twoTargets, stuckAfterMs: 300_000, attributes },
    async live(scene) {
      await untilRest(scene, 'WORKFLOW_TASK_COMPLETED');
      await scene.repair('extendDeadline', { ...signed, seconds: 3_600 }, 'update-1');
      await scene.repair('switchTarget', { ...signed, target: 'vendor/two' }, 'update-2');
      await scene.permit({ ...permit, target: 1 });
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED');
      await scene.callback({ attempt: 1, outcome: 'failed', failure: failureOf('no_credit') });
      await untilRest(scene, 'MARKER_RECORDED', 4);
      await scene.repair('resubmit', signed, 'update-3');
      await scene.repair('giveUp', signed, 'update-4');
    },
  },
  {
    name: 'repaired-by-force',
    play: {
      route: twoTargets,
      permit,
      stuckAfterMs: 300_000,
      attributes,
      world: { submitAttempt: async ({ attempt }) => ({ kind: attempt === 1 ? 'unknown' : 'accepted' }) },
    },
    async live(scene) {
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED');
      await scene.repair('pollNow', signed, 'update-1');
      await scene.repair('switchTarget', { ...signed, target: 'vendor/two', force: true }, 'update-2');
      await scene.permit({ attempt: 2, target: 1, grant: '22' });
      await untilRest(scene, 'ACTIVITY_TASK_COMPLETED', 2);
      await scene.callback({ attempt: 2, outcome: 'finished' });
    },
  },
];

/** Until the workflow has seen all that has happened: what comes next is an event of its own, and of no task that is under way. */
async function untilRest(scene: Scene, event: string, count = 1): Promise<void> {
  await scene.untilEvent(event, count);
  const restless =
    /^(WORKFLOW_TASK_SCHEDULED|WORKFLOW_TASK_STARTED|WORKFLOW_EXECUTION_STARTED|ACTIVITY_TASK_(STARTED|COMPLETED)|.*SIGNALED)$/;
  const isAtRest = async (): Promise<boolean> => !restless.test((await scene.eventNames()).at(-1) ?? '');
  await until('the workflow comes to rest', isAtRest, { everyMs: 5 });
}

/** Plays every story once and returns its history as JSON by its name. */
export async function recordHistories(bundle: WorkflowBundleWithSourceMap): Promise<ReadonlyMap<string, string>> {
  const histories = new Map<string, string>();
  for (const [index, { name, play, live }] of stories.entries()) {
    const stage = await openStage(bundle);
    try {
      const scene = await stage.open({
        ...play,
        jobId: `video_01970000-0000-7000-8000-00000000000${index.toString(16)}`,
      });
      await live(scene, stage);
      await scene.result();
      histories.set(name, historyToJSON(await scene.handle.fetchHistory()));
    } finally {
      await stage.close();
    }
  }
  return histories;
}

/** Run by hand, when a change of the workflow is meant to start new histories: `npx tsx test/workflows/record-histories.ts`. */
async function main(): Promise<void> {
  const directory = historiesOf(unreleased);
  await mkdir(directory, { recursive: true });
  for (const [name, json] of await recordHistories(await bundleWorkflows()))
    await writeFile(join(directory, `${name}.json`), `${json}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
