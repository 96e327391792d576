import { ApplicationFailure, Context } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowUpdateFailedError, type WorkflowUpdateOptions } from '@temporalio/client';
import { ApplicationFailureCategory, type Duration } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { v7 as uuidv7 } from 'uuid';
import type {
  Activities,
  MoveOrder,
  NoteOrder,
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
import type { RepairAnswer, RepairName, RepairOrders } from '../../src/contracts/repairs.ts';
import { type JobSearchAttributes, searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { typedSearchAttributes } from '../../src/dispatch/search-attributes.ts';
import type { Verdict } from '../../src/domain/next-step.ts';
import { testServerPath } from '../support/temporal-test-server.ts';
import { until } from '../support/until.ts';
import { silentLogger } from './bundle.ts';

type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];
type GenerateVideo = (input: GenerateVideoInput) => Promise<GenerateVideoResult>;

/** One call of an activity, as the worker saw it. */
export interface Call {
  readonly activity: keyof Activities;
  readonly order: SubmitOrder | WatchOrder | StoreOrder | QueueOrder | MoveOrder | NoteOrder | SettleOrder | StopOrder;
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
  /** As an operator does it. Rejects with the message of the refusal. */
  repair<Name extends RepairName>(name: Name, order: RepairOrders[Name], updateId?: string): Promise<string>;
  /** What Temporal UI shows of the job: its account, in Markdown. */
  details(): Promise<string>;
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
  /** That it is started with. */
  readonly attributes?: JobSearchAttributes;
  /** A signal that arrives together with the start. */
  readonly early?: { readonly signal: string; readonly args: [PermitMail | CallbackMail] };
}

export interface Stage {
  open(play: Play): Promise<Scene>;
  /** Lets time skip by so much. */
  advance(duration: Duration): Promise<void>;
  close(): Promise<void>;
}

/** Temporal UI asks it for what a workflow shows of itself. */
const metadataQuery = '__temporal_workflow_metadata';

/** Ours, all of type 2 of `temporal.api.enums.v1.IndexedValueType`: a keyword. */
const keywords = Object.fromEntries(Object.keys(searchAttributeTypes).map((name) => [name, 2]));

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
  await env.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes: keywords });
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
    async open({ jobId = `video_${uuidv7()}`, world = {}, early, attributes = {}, ...input }) {
      const calls: Call[] = [];
      scenes.set(jobId, { world: { ...usualWorld, ...world }, calls });
      const typed = typedSearchAttributes(attributes);
      const options = {
        taskQueue,
        workflowId: jobId,
        args: [{ jobId, ...input }] as [GenerateVideoInput],
        ...(typed.getAll().length > 0 && { typedSearchAttributes: typed }),
      };
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
    async repair(name, order, updateId) {
      const options: WorkflowUpdateOptions & { args: [unknown] } = {
        args: [order],
        ...(updateId !== undefined && { updateId }),
      };
      try {
        return (await handle.executeUpdate<RepairAnswer, [unknown]>(name, options)).outcome;
      } catch (error) {
        throw error instanceof WorkflowUpdateFailedError && error.cause !== undefined ? error.cause : error;
      }
    },
    details: async () => (await handle.query<{ currentDetails?: string }>(metadataQuery)).currentDetails ?? '',
    permit: (mail) => handle.signal<[PermitMail]>(permitSignalName, mail),
    callback: (mail) => handle.signal<[CallbackMail]>(callbackSignalName, mail),
    hint: (attempt) => handle.signal(hintSignalName, { attempt }),
    async until(isSo) {
      for (let asked = 0; asked < 1_000; asked += 1) if (isSo(await timeline())) return;
      throw new Error(`it never came to that: ${JSON.stringify(await timeline())}`);
    },
    async untilEvent(wanted, count = 1) {
      const hasCome = async (): Promise<boolean> =>
        (await eventNames()).filter((name) => name === wanted).length >= count;
      await until(`it comes to ${wanted}`, hasCome, { everyMs: 5 });
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
  moveTicket: async () => 'moved',
  noteRepair: async ({ seconds = 0 }) => ({ verdict: 'noted', byMs: seconds * 1_000, endsAt: 0 }),
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
    moveTicket: async (order) => await enter('moveTicket', order).moveTicket(order),
    noteRepair: async (order) => await enter('noteRepair', order).noteRepair(order),
    settleJob: async (order) => await enter('settleJob', order).settleJob(order),
    stopAttempt: async (order) => await enter('stopAttempt', order).stopAttempt(order),
  } satisfies Activities;
}
