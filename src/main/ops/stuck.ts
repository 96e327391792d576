import { findStuckJobs, type StuckJob } from '../../db/stuck/stuck-jobs.ts';
import { limits } from '../../domain/limits/limits.ts';
import { spanOf } from '../../domain/overview-text.ts';
import { type StuckCause, stuckCauses } from '../../domain/stuck.ts';
import { shownStuckOf } from '../../operations/show-account.ts';
import { CommandError } from '../command-line/command-error.ts';
import { adminTable } from '../command-line/table.ts';
import { countOf, refuseOthers } from './signed.ts';
import type { OpsTask } from './task.ts';

const countDefault = 50;

/** `stuck`: the longest first. */
export async function stuckCommand({ pool, config, operands, flags, say, note }: OpsTask): Promise<number> {
  refuseOthers(flags, ['cause', 'limit', 'json']);
  if (operands.length > 0) throw new CommandError(2, 'stuck takes no operand. See npm run ops -- show ID for one job.');
  const { stuckAfterMs } = config;
  const cause = flags.cause === undefined ? {} : { cause: causeOf(flags.cause) };
  const limit = flags.limit === undefined ? countDefault : countOf('limit', flags.limit, limits.stuckJobsMax);
  const jobs = await findStuckJobs(pool, { ...cause, limit, stuckAfterMs });
  if (flags.json === true) for (const job of jobs) say(JSON.stringify(objectOf(job)));
  else if (jobs.length > 0) say(tableOf(jobs));
  note(jobs.length === 0 ? 'No job is stuck.' : endOf(jobs, limit));
  return 0;
}

/** One of the closed set, or what to type instead. */
function causeOf(text: string): StuckCause {
  const cause = stuckCauses.find((one) => one === text);
  if (cause === undefined) throw new CommandError(2, `--cause is one of ${stuckCauses.join(', ')}.`);
  return cause;
}

function objectOf(job: StuckJob): object {
  const { jobId: id, tenant, model, phase, target, provider } = job;
  return { id, tenant, model, phase, target, provider, ...shownStuckOf(job) };
}

function tableOf(jobs: readonly StuckJob[]): string {
  const rows = jobs.map(({ jobId, tenant, target, stuck }) => [
    jobId,
    stuck.cause,
    spanOf(Date.now() - stuck.since),
    tenant,
    target ?? '–',
  ]);
  return adminTable([['id', 'cause', 'for', 'tenant', 'target'], ...rows]);
}

/** What each cause means is told once, and not for each job. */
function endOf(jobs: readonly StuckJob[], limit: number): string {
  const first = stuckCauses.flatMap((cause) => jobs.find(({ stuck }) => stuck.cause === cause) ?? []);
  const advices = first.map((job) => {
    const { cause, sentence, nextStep, command } = shownStuckOf(job);
    return `${cause}: ${sentence}\n  ${nextStep}\n  ${command}`;
  });
  const more =
    jobs.length < limit ? [] : [`There may be more than these ${limit}: --limit N shows up to ${limits.stuckJobsMax}.`];
  return ['', ...advices, ...more].join('\n');
}
