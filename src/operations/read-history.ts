import type { Client } from '@temporalio/client';
import type { LoadedDataConverter } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { MoveOrder, NoteAnswer, NoteOrder, QueueOrder, SubmitOrder } from '../contracts/activities.ts';
import type {
  CallbackMail,
  GenerateVideoInput,
  GenerateVideoResult,
  HintMail,
  PermitMail,
} from '../contracts/generate-video.ts';
import type { AttemptReport, MoveAnswer, QueueAnswer, StoreAnswer, SubmitAnswer } from '../domain/story.ts';

/** What a history of `generateVideo` tells, with its moment in milliseconds. What is of no use here is left out. */
export type Told = { readonly at: number } & (
  | { readonly kind: 'begun'; readonly input: GenerateVideoInput }
  | { readonly kind: 'signal'; readonly name: string; readonly mail: Mail | undefined }
  /** `isIdle`: no worker has taken it up yet. */
  | { readonly kind: 'scheduled'; readonly activity: string; readonly order: SubmitOrder; readonly isIdle: boolean }
  | ({ readonly kind: 'done' } & ActivityEnd)
  | { readonly kind: 'completed'; readonly result: GenerateVideoResult }
);

type Mail = PermitMail | CallbackMail | HintMail;

export type ActivityEnd =
  | { readonly activity: 'submitAttempt'; readonly attempt: number; readonly result: SubmitAnswer }
  | { readonly activity: 'watchAttempt'; readonly attempt: number; readonly result: AttemptReport }
  | { readonly activity: 'storeAsset'; readonly attempt: number; readonly result: StoreAnswer }
  | { readonly activity: 'queueAttempt'; readonly order: QueueOrder; readonly result: QueueAnswer }
  | { readonly activity: 'moveTicket'; readonly order: MoveOrder; readonly result: MoveAnswer }
  | { readonly activity: 'noteRepair'; readonly order: NoteOrder; readonly result: NoteAnswer };

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];
type Payloads = Parameters<typeof decodeArrayFromPayloads>[1];

/** Reads the history of the last run, and asks what of it nobody has begun. */
export async function readHistory(client: Client, workflowId: string): Promise<readonly Told[]> {
  const handle = client.workflow.getHandle(workflowId);
  const [{ events }, { raw }] = await Promise.all([handle.fetchHistory(), handle.describe()]);
  const idle = new Set(
    (raw.pendingActivities ?? []).flatMap(({ activityId, attempt, lastStartedTime }) =>
      (attempt ?? 1) <= 1 && !lastStartedTime ? [activityId ?? ''] : [],
    ),
  );
  const reader: Reader = { converter: client.options.loadedDataConverter, idle, scheduled: new Map() };
  const told: Told[] = [];
  for (const event of events ?? []) {
    const one = await read(reader, event);
    if (one !== undefined) told.push(one);
  }
  return told;
}

interface Reader {
  readonly converter: LoadedDataConverter;
  /** Activities that nobody has begun. */
  readonly idle: ReadonlySet<string>;
  readonly scheduled: Map<string, { readonly activity: string; readonly order: SubmitOrder }>;
}

/* oxlint-disable typescript/no-unsafe-type-assertion -- our own workflows have written these payloads, by the contracts. */
async function read(reader: Reader, event: HistoryEvent): Promise<Told | undefined> {
  const at = Number(event.eventTime?.seconds ?? 0) * 1_000 + Math.floor((event.eventTime?.nanos ?? 0) / 1e6);
  const begun = event.workflowExecutionStartedEventAttributes;
  if (begun) return { kind: 'begun', at, input: (await first(reader, begun.input?.payloads)) as GenerateVideoInput };
  const signal = event.workflowExecutionSignaledEventAttributes;
  if (signal) {
    const mail = (await first(reader, signal.input?.payloads)) as Mail | undefined;
    return { kind: 'signal', at, name: signal.signalName ?? '', mail };
  }
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled) {
    const activity = scheduled.activityType?.name ?? '';
    const order = (await first(reader, scheduled.input?.payloads)) as SubmitOrder;
    reader.scheduled.set(String(event.eventId), { activity, order });
    return { kind: 'scheduled', at, activity, order, isIdle: reader.idle.has(scheduled.activityId ?? '') };
  }
  const done = event.activityTaskCompletedEventAttributes;
  const which = done && reader.scheduled.get(String(done.scheduledEventId));
  if (which) {
    const { activity, order } = which;
    const end: unknown = {
      activity,
      order,
      attempt: order.attempt,
      result: await first(reader, done.result?.payloads),
    };
    return { kind: 'done', at, ...(end as ActivityEnd) };
  }
  const ended = event.workflowExecutionCompletedEventAttributes;
  if (!ended) return undefined;
  return { kind: 'completed', at, result: (await first(reader, ended.result?.payloads)) as GenerateVideoResult };
}
/* oxlint-enable typescript/no-unsafe-type-assertion */

async function first({ converter }: Reader, payloads: Payloads): Promise<unknown> {
  const [value] = await decodeArrayFromPayloads(converter, payloads);
  return value ?? undefined;
}
