import { Context } from '@temporalio/activity';
import type { Activities } from '../contracts/activities.ts';
import {
  type AssetVerdict,
  type AttemptPlace,
  beginAsset,
  failAsset,
  findVideoToStore,
  keepAsset,
  moveVideo,
  type VideoToStore,
} from '../db/jobs/assets.ts';
import { findAttemptToCheck } from '../db/ledger/attempt-to-check.ts';
import { isOpenJob } from '../db/ledger/attempts.ts';
import { type Failure, failureOf } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';
import type { StoreAnswer } from '../domain/story.ts';
import { HostileUrlError } from '../providers/hostile-url.ts';
import { ProviderUnreachableError } from '../providers/provider.ts';
import { assetKey } from '../storage/object-store.ts';
import { applicationFailureOf, missingFromLedger } from './application-failure.ts';
import { copyVideo, UnusableVideoError } from './copy-video.ts';
import type { ActivityDeps, RemoteFile } from './deps.ts';

/** Well within the heartbeat timeout. Each carries the bytes that have come so far, for Temporal UI. */
const heartbeatEveryMs = 5_000;

/** Makes a finished video ours. The permit is free by now: however long this takes, it holds nobody up at the vendor. */
export function createStoreAsset(deps: StoreDeps): Activities['storeAsset'] {
  return async function storeAsset({ jobId, attempt }) {
    return await storeVideo(deps, { jobId, attempt });
  };
}

async function storeVideo(deps: StoreDeps, place: AttemptPlace): Promise<StoreAnswer> {
  const video = await findVideoToStore(deps.db, place);
  if (video === undefined && (await isMissing(deps, place))) throw missingFromLedger(place);
  if (video === undefined) return { kind: 'failed', failure: unusable('no_video') };
  const key = assetKey({ tenant: video.tenant, ...place });
  const begun = await beginAsset(deps.db, { ...place, key });
  if (begun.verdict !== 'go') return answerOf(begun);
  const task: Task = { deps, place, video, key, signal: Context.current().cancellationSignal };
  try {
    return await store(task);
  } catch (error) {
    if (error instanceof UnusableVideoError) return await giveUp(task, unusable(error.vendorCode));
    // Whatever it was that a cancel has cut short.
    if (task.signal.aborted) return await Context.current().cancelled;
    throw error;
  }
}

export type StoreDeps = Pick<ActivityDeps, 'db' | 'providers' | 'remoteFiles' | 'store' | 'log' | 'onEvents'>;

/** There is no row at all, of a job that is open: that is no word on the video. */
async function isMissing({ db }: StoreDeps, { jobId, attempt }: AttemptPlace): Promise<boolean> {
  return (await findAttemptToCheck(db, jobId, attempt)) === undefined && (await isOpenJob(db, jobId));
}

interface Task {
  readonly deps: StoreDeps;
  readonly place: AttemptPlace;
  readonly video: VideoToStore;
  readonly key: string;
  readonly signal: AbortSignal;
}

async function store(task: Task): Promise<StoreAnswer> {
  const { deps, place, key, signal } = task;
  let bytesSoFar = 0;
  const context = Context.current();
  const heartbeat = setInterval(() => context.heartbeat(bytesSoFar), heartbeatEveryMs);
  try {
    const onBytes = (soFar: number): void => void (bytesSoFar = soFar);
    const file = await openVideo(task);
    const copied = await copyVideo(file, { store: deps.store, key, signal, onBytes });
    const verdict = await keepAsset(deps.db, { ...place, key, ...copied });
    deps.onEvents?.();
    if (verdict === 'job_final') await deps.store.remove(key);
    deps.log.info({ job: place.jobId, attempt: place.attempt, bytes: copied.bytes, verdict }, 'copied');
    return answerOf({ verdict });
  } finally {
    clearInterval(heartbeat);
  }
}

/** Opens the video where it was announced, or where its vendor says that it lies now: some links are short-lived. */
async function openVideo(task: Task): Promise<RemoteFile> {
  const { url } = task.video;
  const first = url === null ? 'no_url' : await open(task, url);
  if (typeof first !== 'string') return first;
  const fresh = await askForUrl(task);
  if (fresh === undefined || fresh === url) throw missing(first);
  await moveVideo(task.deps.db, { ...task.place, url: fresh });
  const second = await open(task, fresh);
  if (typeof second !== 'string') return second;
  throw missing(second);
}

/** The opened file, or the code of an answer that says that there is none. */
async function open({ deps, video, signal }: Task, url: string): Promise<RemoteFile | string> {
  const files = deps.remoteFiles.get(video.provider);
  if (files === undefined) {
    throw new Error(`there is no provider ${video.provider} here: keep it, and its key, until its videos are copied`);
  }
  const file = await files.open({ url, signal }).catch(codeIfHostile);
  if (typeof file === 'string' || file.status === 200) return file;
  file.body.destroy();
  const vendorCode = `http_${file.status}`;
  if (isPassing(file.status)) throw applicationFailureOf(failureOf('unreachable', { vendorCode }));
  return vendorCode;
}

const hostile = 'hostile_url';

/** What its text shows never changes. An address may be a fault of the name service, which passes. */
function codeIfHostile(error: unknown): string {
  if (!(error instanceof HostileUrlError)) throw error;
  if (error.rule === 'address') return hostile;
  throw new UnusableVideoError(hostile, { cause: error });
}

/** Trouble at the server, which is no word on the file. Everything else is: a signed link that is over may be any 4xx. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** Where the vendor says now that the video lies. Undefined: there is nobody to ask, or nothing to ask for. */
async function askForUrl({ deps, video }: Task): Promise<string | undefined> {
  const { operation, model } = video;
  const provider = deps.providers.get(video.provider);
  if (provider === undefined || operation === null || model === null) return undefined;
  const progress = await provider.check({ operation, model }).catch(retryIfUnreachable);
  if (progress.kind === 'finished') return progress.video.url;
  if (progress.kind === 'failed') throw new UnusableVideoError(progress.failure.vendorCode ?? progress.failure.code);
  // It had told us of an end, so it will again.
  throw applicationFailureOf(failureOf('unreachable', { vendorCode: progress.kind }));
}

function retryIfUnreachable(error: unknown): never {
  if (error instanceof ProviderUnreachableError) throw applicationFailureOf({ ...error.failure, retry: 'same' });
  throw error;
}

/** A file may be a moment behind its announcement: what is paid for is asked for more than once. */
function missing(vendorCode: string): Error {
  const triesMax = vendorCode === hostile ? limits.refusedTriesOfAssetMax : limits.missingTriesOfAssetMax;
  if (Context.current().info.attempt >= triesMax) return new UnusableVideoError(vendorCode);
  return applicationFailureOf(failureOf('output_expired', { retry: 'same', vendorCode }));
}

async function giveUp({ deps, place }: Task, failure: Failure): Promise<StoreAnswer> {
  const verdict = await failAsset(deps.db, { ...place, failure });
  deps.onEvents?.();
  deps.log.warn(
    { job: place.jobId, attempt: place.attempt, failure, verdict: verdict.verdict },
    'video can not be kept',
  );
  return answerOf(verdict);
}

function answerOf(asset: AssetVerdict): StoreAnswer {
  if (asset.verdict === 'failed') return { kind: 'failed', failure: asset.failure };
  return { kind: asset.verdict === 'kept' ? 'stored' : 'job_final' };
}

function unusable(vendorCode: string): Failure {
  return failureOf('output_expired', { vendorCode });
}
