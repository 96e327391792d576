import type { Client } from '@temporalio/client';
import { writeWatermark } from '../db/ledger/reconcile.ts';
import { type JobToAdopt, leapGrants, settleOldEvents, skipGrants } from '../db/ledger/restore.ts';
import { lowerFence } from '../db/ledger/restore-fence.ts';
import { limits } from '../domain/limits/limits.ts';
import { assetKey } from '../storage/object-store.ts';
import { adoptJob, type AdoptDeps, keptAttempt } from './adopt-job.ts';
import { type Ahead, pagesAhead } from './ahead.ts';
import { noteLostJob } from './note-lost-job.ts';
import { restoredMark } from './put-back.ts';
import { readHistory } from './read-history.ts';
import { type RememberedJob, rememberJob } from './remembered-job.ts';

/** What one round after a restore has come to. */
export interface MendReport {
  /** Workflows that were compared. */
  readonly compared: number;
  /** Rows of the ledger that were written once more, and of how many the vendor's name is known. */
  readonly attempts: number;
  readonly named: number;
  /** Jobs whose verdict was reached after the backup. */
  readonly settled: number;
  /** Jobs that stand in line again. */
  readonly queued: number;
  /** Jobs that were accepted after the backup: their callers have ids that nobody knows. */
  readonly lost: readonly string[];
  /** What vendors made, or are making, for those, and for jobs that had ended before it could be written. */
  readonly orphans: number;
  /** Workflows that could not be compared, each with why: of their jobs the ledger may miss what was sent. */
  readonly unread: readonly { readonly id: string; readonly because: string }[];
  /** Jobs whose video was kept after the backup and is not in the object store: left open. */
  readonly missing: readonly string[];
  readonly events: number;
  /** Nothing is left: workers may start. */
  readonly isWhole: boolean;
}

export interface MendDeps extends AdoptDeps {
  readonly client: Client;
  /** Only looks: nothing is written, and no workflow ends. */
  readonly isDryRun: boolean;
  /** So many workflows that can't be compared are put up with. */
  readonly unreadExpected: number;
  readonly onProgress: (compared: number) => void;
}

/**
 * Brings a database that was put back up to what Temporal and the vendors know. To be run before any worker; may be run again,
 * and a second run finds nothing to do. The fence is the caller's to raise; where the mend is whole it is lowered.
 */
export async function mendAfterRestore(deps: MendDeps): Promise<MendReport> {
  const begunAt = new Date();
  let report = nothing;
  let grants = 0n;
  // Should somebody grant meanwhile all the same, a submit that is pending holds none of these numbers.
  if (!deps.isDryRun) await leapGrants(deps.db);
  for await (const page of pagesAhead(deps)) {
    const mended = await Promise.all(page.map((workflow) => mendOrTell(deps, workflow)));
    for (const one of mended) {
      report = sum(report, one.report);
      if (one.grant > grants) grants = one.grant;
    }
    deps.onProgress(report.compared);
  }
  if (deps.isDryRun) return report;
  await skipGrants(deps.db, grants);
  const events = await settleEvents(deps);
  const isWhole = report.missing.length === 0 && report.unread.length <= deps.unreadExpected;
  if (isWhole) {
    await writeWatermark(deps.db, restoredMark, begunAt);
    await lowerFence(deps.db);
  }
  return { ...report, events, isWhole };
}

const nothing: MendReport = {
  compared: 0,
  attempts: 0,
  named: 0,
  settled: 0,
  queued: 0,
  lost: [],
  orphans: 0,
  unread: [],
  missing: [],
  events: 0,
  isWhole: false,
};

function sum(one: MendReport, other: MendReport): MendReport {
  return {
    compared: one.compared + other.compared,
    attempts: one.attempts + other.attempts,
    named: one.named + other.named,
    settled: one.settled + other.settled,
    queued: one.queued + other.queued,
    lost: [...one.lost, ...other.lost],
    orphans: one.orphans + other.orphans,
    unread: [...one.unread, ...other.unread],
    missing: [...one.missing, ...other.missing],
    events: one.events + other.events,
    isWhole: false,
  };
}

interface Mended {
  readonly report: MendReport;
  /** The largest grant that it was given. */
  readonly grant: bigint;
}

/** One bad history does not keep all others from being mended. */
async function mendOrTell(deps: MendDeps, workflow: Ahead): Promise<Mended> {
  try {
    return await mendOne(deps, workflow);
  } catch (error) {
    const compared = { ...nothing, compared: 1 };
    // What has ended has nothing that could be sent once more.
    if (workflow.job?.isFinal === true) return { report: compared, grant: 0n };
    const because = error instanceof Error ? error.message : String(error);
    return { report: { ...compared, unread: [{ id: workflow.id, because }] }, grant: 0n };
  }
}

async function mendOne(deps: MendDeps, { id, status, job }: Ahead): Promise<Mended> {
  const one = { ...nothing, compared: 1 };
  const remembered = rememberJob(await readHistory(deps.client, id));
  if (remembered === undefined) throw new Error('Its history does not begin with its start.');
  const grant = largestGrant(remembered);
  if (job === undefined) {
    const orphans = deps.isDryRun ? 0 : await noteLostJob(deps, { id, status }, remembered);
    return { report: { ...one, lost: [id], orphans }, grant };
  }
  if (deps.isDryRun) return { report: { ...one, ...(await lookAt(deps, job, remembered)) }, grant };
  const { attempts, named, settled, queued, orphans, isVideoMissing } = await adoptJob(deps, job, remembered);
  const mended = { attempts, named, orphans, settled: settled === undefined ? 0 : 1, queued: queued ? 1 : 0 };
  return { report: { ...one, ...mended, missing: isVideoMissing ? [id] : [] }, grant };
}

/** What a dry run can tell of an open job. */
async function lookAt({ store }: MendDeps, job: JobToAdopt, remembered: RememberedJob): Promise<Partial<MendReport>> {
  if (job.isFinal) return {};
  const attempts = missingOf(job, remembered);
  const attempt = keptAttempt(remembered);
  if (attempt === undefined) return { attempts };
  const found = await store.describe(assetKey({ tenant: job.tenant, jobId: job.id, attempt }));
  return { attempts, missing: found === undefined ? [job.id] : [] };
}

function missingOf(job: JobToAdopt, { submittedAt }: RememberedJob): number {
  return [...submittedAt.keys()].filter((number) => !job.attempts.some(({ attempt }) => attempt === number)).length;
}

function largestGrant({ story }: RememberedJob): bigint {
  const grants = story.attempts.map(({ grant }) => (/^\d+$/.test(grant) ? BigInt(grant) : 0n));
  return grants.reduce((largest, grant) => (grant > largest ? grant : largest), 0n);
}

async function settleEvents({ db }: MendDeps): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await settleOldEvents(db, limits.eventsSettledMax);
    total += count;
    if (count < limits.eventsSettledMax) return total;
  }
}
