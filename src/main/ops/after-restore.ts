import type pg from 'pg';
import { recordAction } from '../../db/control/operator-actions.ts';
import { createPool } from '../../db/pool.ts';
import { asOnlyOne } from '../../db/only-one.ts';
import { countServiceSessions } from '../../db/ledger/restore.ts';
import { isFenced, lowerFence, raiseFence } from '../../db/ledger/restore-fence.ts';
import { type AheadDeps, surveyLost } from '../../operations/ahead.ts';
import { mendAfterRestore, type MendReport } from '../../operations/mend-after-restore.ts';
import { CommandError } from '../command-line/command-error.ts';
import { createObjectStore } from '../object-store.ts';
import { readProviders } from './read-providers.ts';
import { countOf, refuseOthers, signedOf } from './signed.ts';
import type { OpsTask } from './task.ts';

/** A pass over all that was under way: statements that no caller waits for. */
const statementTimeoutMs = 60_000;
const connectTimeoutMs = 15_000;

/** `npm run ops -- after-restore`: see docs/restore.md. */
export async function afterRestore(task: OpsTask, readAll = readProviders): Promise<number> {
  const { config, flags, say, note } = task;
  const isDryRun = flags['dry-run'] === true;
  refuseOthers(flags, ['dry-run', 'by', 'reason', 'lost', 'unread', 'videos-are-gone']);
  const signed = isDryRun ? undefined : signedOf(flags);
  const providers = await readAll(config);
  const pool = createPool({
    url: config.databaseUrl ?? '',
    connectionsMax: 12,
    name: 'ops',
    statementTimeoutMs,
    connectTimeoutMs,
    onError: () => undefined,
  });
  try {
    await refuseBesideOthers(pool);
    const ahead = { db: pool, client: await task.temporal() };
    const mend = async (): Promise<MendReport> =>
      await mendAfterRestore({
        ...ahead,
        areVideosGone: flags['videos-are-gone'] === true,
        unreadExpected: expectedOf('unread', flags.unread) ?? 0,
        providers,
        store: createObjectStore(config),
        clock: Date.now,
        isDryRun,
        onProgress: (compared) => void (compared % 1_000 === 0 && note(`${compared} workflows compared`)),
      });
    if (signed === undefined) {
      tell({ report: await mend(), isDryRun, say });
      return 0;
    }
    await confirmLost(ahead, expectedOf('lost', flags.lost));
    const report = await behindFence(pool, mend);
    const { lost, unread, missing, ...counts } = report;
    const detail = { ...counts, lost: lost.length, unread: unread.length, missing: missing.length };
    await recordAction(pool, { ...signed, action: 'after_restore', subject: 'database', detail });
    tell({ report, isDryRun, say });
    return report.isWhole ? 0 : 1;
  } finally {
    await pool.end();
  }
}

/** One at a time. From here on no worker and no API starts before a mend is whole, this one or another. */
async function behindFence(pool: pg.Pool, mend: () => Promise<MendReport>): Promise<MendReport> {
  let report: MendReport | undefined;
  await asOnlyOne(pool, 'restore', async () => {
    await raiseAlone(pool);
    report = await mend();
  });
  if (report !== undefined) return report;
  throw new CommandError(1, 'Another after-restore is under way on this database. Wait until it has ended.');
}

/** Whoever has started since they were counted has seen no fence, and is seen now. */
async function raiseAlone(pool: pg.Pool): Promise<void> {
  const isInterrupted = await isFenced(pool);
  await raiseFence(pool);
  try {
    await refuseBesideOthers(pool);
  } catch (error) {
    if (!isInterrupted) await lowerFence(pool);
    throw error;
  }
}

async function refuseBesideOthers(pool: pg.Pool): Promise<void> {
  const sessions = await countServiceSessions(pool);
  if (sessions === 0) return;
  throw new CommandError(
    1,
    `${sessions} connections of workers or of the API are open. Stop every one of both first: what grants meanwhile may pay ` +
      'twice, and a cancel may come between. A pooler may have kept them: have it reconnect.',
  );
}

function expectedOf(option: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : countOf(option, text, 1_000_000_000);
}

/**
 * Throws unless somebody has said how many jobs are lost, where their workflows would be ended or they are the most of all: to a
 * database that is not this deployment's, all of them are.
 */
async function confirmLost(deps: AheadDeps, expected: number | undefined): Promise<void> {
  const { compared, lost, running } = await surveyLost(deps);
  if (expected === lost) return;
  if (expected === undefined && running === 0 && lost * 2 <= compared) return;
  throw new CommandError(
    1,
    `The database has never heard of ${lost} of ${compared} jobs that Temporal remembers${expected === undefined ? '' : `, not of ${expected}`}, ` +
      `and ${running} workflows of these would be terminated. Look whether DATABASE_URL and TEMPORAL_NAMESPACE are of one ` +
      `deployment, run it with --dry-run, and if they are really lost say so: --lost ${lost}. Nothing was changed.`,
  );
}

interface Telling {
  readonly report: MendReport;
  readonly isDryRun: boolean;
  readonly say: (line: string) => void;
}

function tell({ report, isDryRun, say }: Telling): void {
  const { compared, attempts, named, settled, queued, lost, orphans, unread, missing, events } = report;
  say(`${compared} workflows compared with the database.`);
  say(
    `${attempts} attempts that were sent ${isDryRun ? 'are not in the ledger' : `are in the ledger again, ${named} with their vendor's id`}.`,
  );
  if (!isDryRun) {
    say(`${settled} jobs have the verdict again that they had; ${queued} stand in line again.`);
    if (events > 0) say(`${events} events were counted by another cluster and come before all new ones now.`);
  }
  say(`${lost.length} jobs were accepted after the backup and are lost.`);
  for (const id of lost) say(`  ${id}`);
  if (orphans > 0) say(`${orphans} attempts were sent that are no job's any more: npm run ops -- orphans list.`);
  sayWhatIsLeft({ unread, missing }, say);
  if (isDryRun) say('Nothing was changed.');
  else say(report.isWhole ? 'Workers may start.' : 'Workers may not start yet. Run this again when that is mended.');
}

function sayWhatIsLeft({ unread, missing }: Pick<MendReport, 'unread' | 'missing'>, say: Telling['say']): void {
  for (const { id, because } of unread) say(`${id} could not be compared: ${because}`);
  if (unread.length > 0)
    say(
      `${unread.length} workflows could not be compared, so the ledger may miss what they sent. Look at them in Temporal UI; is there nothing to be had, put up with it: --unread ${unread.length}.`,
    );
  for (const id of missing) say(`The video of ${id} is not in the object store.`);
  if (missing.length > 0)
    say(
      `${missing.length} jobs were completed after the backup and their videos are not in this object store; they are left as they are. Look whether DATA_DIRECTORY or the bucket is the one of the API; are they really gone, say so: --videos-are-gone.`,
    );
}
