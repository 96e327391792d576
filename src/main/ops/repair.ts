import { randomUUID } from 'node:crypto';
import { isJobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type StuckCause, stuckCauses } from '../../domain/stuck.ts';
import { createWakeUps } from '../../db/wake-ups.ts';
import type { Repair, RepairResult } from '../../operations/repair.ts';
import { type RepairDeps, repairJob } from '../../operations/repair-job.ts';
import { type RepairedJob, repairMany } from '../../operations/repair-many.ts';
import { CommandError } from '../command-line/command-error.ts';
import { adminTable } from '../command-line/table.ts';
import type { OpsFlags } from './options.ts';
import { countOf, refuseOthers, signedOf } from './signed.ts';
import type { OpsTask } from './task.ts';

export const repairUsage = `
  repair VERB ID --reason TEXT                 repairs one job, as an update of its workflow does from Temporal UI:
  repair VERB --cause CAUSE [--limit N] [--dry-run] --reason TEXT
                                               or every job that is stuck for one cause, the longest first
      poll-now                                 asks the provider at once; costs nothing
      switch-target --target NAME [--force]    goes to another target of the route; --force where two may be paid for
      resubmit [--force]                       tries again where the last attempt was; --force as above
      extend-deadline --seconds N              more time to wait and to run
      give-up                                  ends the job as failed
      --id ID                                  the id that an earlier call gave whose answer was not heard: nothing is done twice
      --by NAME                                who does it (the user of this machine)`;

/** `repair`: 0 when everything that was asked for is done, or is only to be shown. */
export async function repairCommand(task: OpsTask): Promise<number> {
  const [verb = '', id, ...others] = task.operands;
  if (others.length > 0) throw new CommandError(2, 'A repair takes one job, or --cause.');
  const common = ['cause', 'limit', 'dry-run', 'json', 'by', 'reason', 'id'] as const;
  refuseOthers(task.flags, [...common, ...(optionsOf[verb] ?? [])]);
  const repair = repairOf(verb, task.flags);
  const wakeUps = createWakeUps(task.pool);
  const deps = { db: task.pool, temporal: task.temporal, notifyMail: () => wakeUps.send('mail') };
  const { cause } = task.flags;
  if (id !== undefined && cause === undefined) return await repairOne(task, { deps, repair, id });
  if (id === undefined && cause !== undefined) return await repairAll(task, { deps, repair, cause: causeOf(cause) });
  throw new CommandError(2, 'Name one job by its id, or all that are stuck for one cause by --cause.');
}

interface Asked {
  readonly deps: RepairDeps;
  readonly repair: Repair;
}

async function repairOne({ say, note, flags }: OpsTask, { deps, repair, id }: Asked & { readonly id: string }) {
  if (!isJobId(id)) throw new CommandError(2, 'The id of a job is `video_` and a UUID of version 7.');
  if (flags['dry-run'] === true) throw new CommandError(2, '--dry-run is for --cause. See `show` for one job.');
  const request = requestOf(flags);
  const result = await repairJob(deps, { jobId: id, repair, request });
  if (flags.json === true) say(JSON.stringify({ id, request, ...result }));
  else if (result.kind === 'done') say(result.answer.outcome);
  else note(isUnheard(result) ? `${result.reason}\n${againUnder(request)}` : result.reason);
  return result.kind === 'done' ? 0 : 1;
}

async function repairAll(task: OpsTask, { deps, repair, cause }: Asked & { readonly cause: StuckCause }) {
  const { say, note, flags, config } = task;
  const isDryRun = flags['dry-run'] === true;
  const request = requestOf(flags);
  const repaired = await repairMany(deps, {
    cause,
    repair,
    limit: flags.limit === undefined ? limits.bulkRepairsMax : countOf('limit', flags.limit, limits.bulkRepairsMax),
    isDryRun,
    request,
    stuckAfterMs: config.stuckAfterMs,
  });
  if (flags.json === true)
    for (const { job, result } of repaired) say(JSON.stringify({ id: job.jobId, request, result }));
  else if (repaired.length > 0) say(adminTable([['id', 'tenant', 'target', 'outcome'], ...repaired.map(rowOf)]));
  const done = repaired.filter(({ result }) => result?.kind === 'done').length;
  if (isDryRun) note(`${repaired.length} jobs would be repaired. Nothing was done.`);
  else note(`${done} of ${repaired.length} jobs were repaired.`);
  if (repaired.some(({ result }) => result !== null && isUnheard(result))) note(againUnder(request));
  return isDryRun || done === repaired.length ? 0 : 1;
}

/** The id that everything is asked for under, once for each job. */
function requestOf({ id }: OpsFlags): string {
  if (id === undefined) return randomUUID();
  if (/^[\x21-\x7e]{1,100}$/.test(id)) return id;
  throw new CommandError(2, '--id takes the id that an earlier call gave, without blanks.');
}

function isUnheard({ kind }: RepairResult): boolean {
  return kind === 'silent' || kind === 'away';
}

function againUnder(request: string): string {
  return `To repeat it: the same command with --id ${request}`;
}

function rowOf({ job, result }: RepairedJob): readonly string[] {
  return [job.jobId, job.tenant, job.target ?? '', result === null ? 'would be repaired' : wordsOf(result)];
}

function wordsOf(result: RepairResult): string {
  return result.kind === 'done' ? result.answer.outcome : `${result.kind}: ${result.reason}`;
}

function causeOf(text: string): StuckCause {
  const cause = stuckCauses.find((one) => one === text);
  if (cause === undefined) throw new CommandError(2, `--cause is one of ${stuckCauses.join(', ')}.`);
  return cause;
}

const optionsOf: Readonly<Record<string, readonly (keyof OpsFlags)[]>> = {
  'switch-target': ['target', 'force'],
  resubmit: ['force'],
  'extend-deadline': ['seconds'],
};

function repairOf(verb: string, flags: OpsFlags): Repair {
  const { actor: by, reason } = signedOf(flags);
  const force = flags.force === true ? { force: true } : {};
  switch (verb) {
    case 'poll-now':
      return { name: 'pollNow', order: { by, reason } };
    case 'switch-target':
      return { name: 'switchTarget', order: { by, reason, target: targetOf(flags), ...force } };
    case 'resubmit':
      return { name: 'resubmit', order: { by, reason, ...force } };
    case 'extend-deadline':
      return { name: 'extendDeadline', order: { by, reason, seconds: secondsOf(flags) } };
    case 'give-up':
      return { name: 'giveUp', order: { by, reason } };
    default:
      throw new CommandError(2, 'A repair is poll-now, switch-target, resubmit, extend-deadline or give-up.');
  }
}

function targetOf({ target }: OpsFlags): string {
  if (target !== undefined) return target;
  throw new CommandError(2, 'Name the target: --target NAME. `show` lists those of the job.');
}

function secondsOf({ seconds }: OpsFlags): number {
  if (seconds !== undefined) return countOf('seconds', seconds, limits.extendSecondsMax);
  throw new CommandError(2, 'Say how much time it is to have: --seconds N.');
}
