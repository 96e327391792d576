import { randomUUID } from 'node:crypto';
import type { Connection } from '@temporalio/client';
import { webhookTaskQueue } from '../../contracts/deliver-webhook.ts';
import { assetTaskQueue, checkTaskQueue, taskQueue } from '../../contracts/generate-video.ts';
import { type Check, fail, type Finding, ok, reasonOf, warn } from './check.ts';
import { judgeSkew } from './clock.ts';
import { commandsToAdd, findMissing } from '../temporal/attributes.ts';
import type { TemporalSettings } from '../temporal/connection.ts';

export interface TemporalDoctor {
  readonly settings: TemporalSettings;
  readonly connection: Connection;
}

const askMsMax = 10_000;
const retentionDaysMin = 1;
const adviceOnAddress =
  'Check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS_* and TEMPORAL_API_KEY (docs/temporal.md), and that Temporal may be reached from here.';

export function temporalChecks(doctor: TemporalDoctor): readonly Check[] {
  const check = (name: string, run: (doctor: TemporalDoctor) => Promise<Finding>): Check => ({
    name,
    run: async () => await doctor.connection.withDeadline(Date.now() + askMsMax, async () => await run(doctor)),
    advice: adviceOnAddress,
  });
  return [
    check('Temporal', checkServer),
    check('namespace', checkNamespace),
    check('search attributes', checkAttributes),
    check('workers', checkPollers),
    check('clock of Temporal', checkClock),
  ];
}

async function checkServer({ connection, settings }: TemporalDoctor): Promise<Finding> {
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  const how = settings.connection.tls ? 'by TLS' : 'without TLS';
  return ok(`Temporal ${serverVersion || 'of unknown version'} answers at ${settings.connection.address}, ${how}.`);
}

async function checkNamespace({ connection, settings }: TemporalDoctor): Promise<Finding> {
  const { namespace } = settings;
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
    const days = seconds / 86_400;
    if (days >= retentionDaysMin) return ok(`The namespace ${namespace} keeps closed workflows for ${days} days.`);
    return warn(
      `The namespace ${namespace} keeps closed workflows for ${Math.round(seconds / 3_600)} hours only.`,
      `Set a day or more, with \`temporal operator namespace update --namespace ${namespace} --retention 3d\`: what is gone can't be looked at.`,
    );
  } catch (error) {
    return fail(
      `The namespace ${namespace} can't be described: ${reasonOf(error)}.`,
      `Create it with \`temporal operator namespace create --namespace ${namespace} --retention 3d\`, or set TEMPORAL_NAMESPACE.`,
    );
  }
}

async function checkAttributes({ connection, settings }: TemporalDoctor): Promise<Finding> {
  const missing = await findMissing(connection, settings);
  if (missing.length === 0) return ok('Every search attribute is registered.');
  return fail(
    `The namespace lacks ${missing.join(', ')}, and so no workflow starts.`,
    `Run \`npm run migrate\`, or ${commandsToAdd(missing, settings.namespace)}.`,
  );
}

/** Of `temporal.api.enums.v1.TaskQueueType`. */
const kinds = { workflow: 1, activity: 2 } as const;

const served = [
  { queue: taskQueue, kind: 'workflow' },
  { queue: taskQueue, kind: 'activity' },
  { queue: checkTaskQueue, kind: 'activity' },
  { queue: assetTaskQueue, kind: 'activity' },
  { queue: webhookTaskQueue, kind: 'activity' },
] as const;

async function checkPollers({ connection, settings }: TemporalDoctor): Promise<Finding> {
  const { namespace } = settings;
  const counts = await Promise.all(
    served.map(async ({ queue, kind }) => {
      return {
        what: `${kind === 'workflow' ? 'workflows' : 'activities'} of ${queue}`,
        identities: await findPollers(connection, { namespace, queue, kind }),
      };
    }),
  );
  const unserved = counts.filter(({ identities }) => identities.length === 0).map(({ what }) => what);
  if (unserved.length > 0)
    return fail(
      `Nobody has asked for the ${unserved.join(', the ')} in the last minutes.`,
      'Start a worker with `npm run worker`, and see that WORKER_QUEUES of all workers together name every queue.',
    );
  const workers = new Set(counts.flatMap(({ identities }) => identities.map(({ identity }) => identity)));
  return ok(`Every task queue is served, by ${workers.size} ${workers.size === 1 ? 'worker' : 'workers'}.`);
}

interface Line {
  readonly namespace: string;
  readonly queue: string;
  readonly kind: keyof typeof kinds;
}

/** Whoever has asked for work there in the last minutes. */
async function findPollers({ workflowService }: Connection, { namespace, queue, kind }: Line) {
  const request = { namespace, taskQueue: { name: queue }, taskQueueType: kinds[kind] };
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- The enum is of a package that the SDK keeps to itself.
  const { pollers } = await workflowService.describeTaskQueue(request);
  return pollers ?? [];
}

/** The server takes no question that would wait for less than two seconds. */
const pollMs = 2_500;

/**
 * Temporal tells its time to nobody, but it notes when somebody last asked for work. So the doctor asks for some, on a
 * task queue of its own where there is none, and reads when that was.
 */
async function checkClock({ connection, settings: { namespace } }: TemporalDoctor): Promise<Finding> {
  const queue = `spillway-doctor-${randomUUID()}`;
  const identity = 'doctor';
  const askedAt = Date.now();
  await connection
    .withDeadline(askedAt + pollMs, () =>
      connection.workflowService.pollActivityTaskQueue({ namespace, taskQueue: { name: queue }, identity }),
    )
    .catch(() => undefined);
  const pollers = await findPollers(connection, { namespace, queue, kind: 'activity' });
  const seenAt = pollers.find((poller) => poller.identity === identity)?.lastAccessTime;
  if (seenAt?.seconds === undefined || seenAt.seconds === null)
    return warn('Temporal did not say what time it has.', 'Compare the clocks of its machines with this one by hand.');
  const theirs = Number(seenAt.seconds) * 1_000 + (seenAt.nanos ?? 0) / 1e6;
  // It was noted when the question came, or when it was given up: nothing between the two is a difference.
  const aheadMs = Math.max(0, theirs - Date.now());
  const behindMs = Math.max(0, askedAt - theirs);
  return judgeSkew('Temporal', aheadMs - behindMs);
}
