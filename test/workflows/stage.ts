import { ApplicationFailure, Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailureCategory, type Duration } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { v7 as uuidv7 } from 'uuid';
import type {
  Activities,
  QueueOrder,
  SettleOrder,
  StopOrder,
  StoreOrder,
  SubmitOrder,
  WatchOrder,
} from '../../src/contracts/activities.ts';
import {
  assetTaskQueue,
  callbackSignalName,
  type CallbackMail,
  checkTaskQueue,
  type GenerateVideoInput,
  type GenerateVideoResult,
  generateVideoType,
  hintSignalName,
  type PermitMail,
  permitSignalName,
  taskQueue,
  type Timeline,
  timelineQueryName,
} from '../../src/contracts/generate-video.ts';
import type { Verdict } from '../../src/domain/next-step.ts';
import { testServerPath } from '../support/temporal-test-server.ts';
import { silentLogger } from './bundle.ts';

type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];
type GenerateVideo = (input: GenerateVideoInput) => Promise<GenerateVideoResult>;

/** One call of an activity, as the worker saw it. */
export interface Call {
  readonly activity: keyof Activities;
  readonly order: SubmitOrder | WatchOrder | StoreOrder | QueueOrder | SettleOrder | StopOrder;
  readonly isLocal: boolean;
  readonly taskQueue: string;
  /** From 1: Temporal's own retries count up. */
  readonly try: number;
}

/** One job on the stage: its workflow, what it was asked to do, and the mail that it gets. */
export interface Scene {
  readonly jobId: string;
  readonly handle: WorkflowHandle<GenerateVideo>;
  readonly calls: readonly Call[];
  permit(mail: PermitMail): Promise<void>;
  callback(mail: CallbackMail): Promise<void>;
  hint(attempt: number): Promise<void>;
  timeline(): Promise<Timeline>;
  /** Returns once the workflow's story is so: asks again and again, without letting time pass. */
  until(isSo: (story: Timeline) => boolean): Promise<void>;
  /** Returns once the history has such an event. Unlike a query, which the test server answers by workflow tasks, it leaves no trace. */
  untilEvent(name: string, count?: number): Promise<void>;
  /** Lets time skip until the workflow has ended. */
  result(): Promise<GenerateVideoResult>;
  events(): Promise<readonly HistoryEvent[]>;
  /** The events' types, in their order. */
  eventNames(): Promise<readonly string[]>;
}

export interface Play extends Omit<GenerateVideoInput, 'jobId'> {
  readonly jobId?: string;
  /** What the world does where it is not the usual: accept, not yet, stored, queued, the proposed verdict. */
  readonly world?: Partial<Activities>;
  /** A signal that arrives together with the start. */
  readonly early?: { readonly signal: string; readonly args: [PermitMail | CallbackMail] };
}

export interface Stage {
  open(play: Play): Promise<Scene>;
  /** Lets time skip by so much. */
  advance(duration: Duration): Promise<void>;
  close(): Promise<void>;
}

let runtime: Runtime | undefined;

/** The time-skipping server, a worker of each task queue, and activities that live in memory. */
export async function openStage(workflowBundle: WorkflowBundleWithSourceMap): Promise<Stage> {
  runtime ??= Runtime.install({
    logger: silentLogger,
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'off', forward: {} } },
  });
  const path = await testServerPath();
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
    client: { identity: 'client' },
  });
  const scenes = new Map<string, { readonly world: Activities; readonly calls: Call[] }>();
  const common = {
    connection: env.nativeConnection,
    activities: activitiesOf(scenes),
    identity: 'worker',
    // A cancel travels with the answer to a heartbeat.
    maxHeartbeatThrottleInterval: 50,
  };
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue, workflowBundle }),
    Worker.create({ ...common, taskQueue: checkTaskQueue }),
    Worker.create({ ...common, taskQueue: assetTaskQueue }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));

  return {
    async open({ jobId = `video_${uuidv7()}`, world = {}, early, ...input }) {
      const calls: Call[] = [];
      scenes.set(jobId, { world: { ...usualWorld, ...world }, calls });
      const options = { taskQueue, workflowId: jobId, args: [{ jobId, ...input }] as [GenerateVideoInput] };
      const { workflow } = env.client;
      const handle: WorkflowHandle<GenerateVideo> =
        early === undefined
          ? await workflow.start<GenerateVideo>(generateVideoType, options)
          : await workflow.signalWithStart<GenerateVideo, [PermitMail | CallbackMail]>(generateVideoType, {
              ...options,
              signal: early.signal,
              signalArgs: early.args,
            });
      return sceneOf({ jobId, handle, calls });
    },
    advance: (duration) => env.sleep(duration),
    async close() {
      for (const worker of workers) worker.shutdown();
      await running;
      await env.teardown();
    },
  };
}

function sceneOf({ jobId, handle, calls }: Pick<Scene, 'jobId' | 'handle' | 'calls'>): Scene {
  const timeline = () => handle.query<Timeline>(timelineQueryName);
  const events = async () => (await handle.fetchHistory()).events ?? [];
  const eventNames = async () => eventNamesOf(historyToJSON(await handle.fetchHistory()));
  return {
    jobId,
    handle,
    calls,
    timeline,
    permit: (mail) => handle.signal<[PermitMail]>(permitSignalName, mail),
    callback: (mail) => handle.signal<[CallbackMail]>(callbackSignalName, mail),
    hint: (attempt) => handle.signal(hintSignalName, { attempt }),
    async until(isSo) {
      for (let asked = 0; asked < 1_000; asked += 1) if (isSo(await timeline())) return;
      throw new Error(`it never came to that: ${JSON.stringify(await timeline())}`);
    },
    async untilEvent(wanted, count = 1) {
      for (let asked = 0; asked < 1_000; asked += 1) {
        if ((await eventNames()).filter((name) => name === wanted).length >= count) return;
      }
      throw new Error(`it never came to ${wanted}`);
    },
    result: () => handle.result(),
    events,
    eventNames,
  };
}

/** The types of a history's events, in their order. */
export function eventNamesOf(json: string): readonly string[] {
  const history: { events: readonly { eventType: string }[] } = JSON.parse(json);
  return history.events.map(({ eventType }) => eventType.replace('EVENT_TYPE_', ''));
}

/** What the world usually does. */
const usualWorld: Activities = {
  submitAttempt: async () => ({ kind: 'accepted' }),
  watchAttempt: async () => {
    throw notYet();
  },
  storeAsset: async () => ({ kind: 'stored' }),
  queueAttempt: async () => 'queued',
  settleJob: async ({ verdict }) => standing(verdict),
  stopAttempt: async () => undefined,
};

/** The answer of a database that agrees. */
function standing(verdict: Verdict): GenerateVideoResult {
  return verdict;
}

/** What a poll says while the provider is at work. */
export function notYet(nextRetryDelay: Duration = '20s'): ApplicationFailure {
  return ApplicationFailure.create({ type: 'NotYet', category: ApplicationFailureCategory.BENIGN, nextRetryDelay });
}

function activitiesOf(scenes: ReadonlyMap<string, { readonly world: Activities; readonly calls: Call[] }>): Activities {
  const enter = (activity: keyof Activities, order: Call['order']): Activities => {
    const scene = scenes.get(order.jobId);
    if (scene === undefined) throw ApplicationFailure.nonRetryable('nobody plays this job');
    const { isLocal, taskQueue, attempt } = Context.current().info;
    scene.calls.push({ activity, order, isLocal, taskQueue, try: attempt });
    return scene.world;
  };
  return {
    submitAttempt: async (order) => await enter('submitAttempt', order).submitAttempt(order),
    watchAttempt: async (order) => await enter('watchAttempt', order).watchAttempt(order),
    storeAsset: async (order) => await enter('storeAsset', order).storeAsset(order),
    queueAttempt: async (order) => await enter('queueAttempt', order).queueAttempt(order),
    settleJob: async (order) => await enter('settleJob', order).settleJob(order),
    stopAttempt: async (order) => await enter('stopAttempt', order).stopAttempt(order),
  } satisfies Activities;
}
