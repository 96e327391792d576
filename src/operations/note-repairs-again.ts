import type { NoteOrder } from '../contracts/activities.ts';
import { noteRepair } from '../db/control/repairs.ts';
import type { Database } from '../db/pool.ts';
import { limits } from '../domain/limits/limits.ts';

/**
 * Notes what operators did to a job since the backup, as its workflow had it noted, with the time that they gave it: else the
 * sweeper ends the job while its workflow waits on. One that is noted is left alone. By force nothing is done a second time:
 * what was granted since is in the ledger, and may not be withdrawn for a copy that was given up before it.
 */
export async function noteRepairsAgain(db: Database, repairs: readonly NoteOrder[]): Promise<void> {
  for (const { jobId, request, run, repair, by, reason, seconds = 0, target, force } of repairs)
    await noteRepair(db, {
      jobId,
      request,
      run,
      repair,
      actor: by,
      reason,
      detail: {
        ...(target !== undefined && { target }),
        ...(seconds > 0 && { seconds }),
        ...(force === true && { force }),
        restored: true,
      },
      extensionMs: seconds * 1_000,
      spanMsMax: limits.extendSecondsMax * 1_000,
      isForced: false,
      target,
      copies: [],
      attemptsMax: limits.attemptsOfJobMax,
    });
}
