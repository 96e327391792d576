import { isJobId } from '../../domain/job.ts';
import { type ShownJob, showAccount } from '../../operations/show-account.ts';
import { CommandError } from '../command-line/command-error.ts';
import { adminTable } from '../command-line/table.ts';
import { refuseOthers } from './signed.ts';
import type { OpsTask } from './task.ts';

/** `show`: one page of one job. Nothing of it is what its owner has written. */
export async function showCommand({ pool, temporal, config, operands, flags, say }: OpsTask): Promise<number> {
  refuseOthers(flags, ['json']);
  const [id = '', ...others] = operands;
  if (others.length > 0 || !isJobId(id))
    throw new CommandError(2, 'show takes the id of a job: `video_` and a UUID of version 7.');
  const job = await showAccount({ db: pool, temporal, stuckAfterMs: config.stuckAfterMs }, id);
  if (job === undefined) throw new CommandError(1, `There is no job ${id}. Its row may be gone by its age.`);
  const uiUrl = uiUrlOf(config.temporal.uiUrl, job);
  if (flags.json === true) say(JSON.stringify({ ...job, uiUrl }));
  else say(pageOf(job, uiUrl));
  return 0;
}

/** Null: it is not configured where Temporal UI is, or there is nothing to be seen there. */
function uiUrlOf(uiUrl: string | undefined, { id, workflow: { namespace, status } }: ShownJob): string | null {
  if (uiUrl === undefined || namespace === null || status === 'NONE') return null;
  return `${uiUrl.replace(/\/$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${id}`;
}

function pageOf(job: ShownJob, uiUrl: string | null): string {
  return [
    `${job.id}  ${job.phase}${job.failureCode === null ? '' : ` (${job.failureCode})`}${job.isErased ? ', deleted' : ''}`,
    `tenant ${job.tenant}, model ${job.model}, route ${job.route.join(', ')}`,
    `accepted ${job.acceptedAt}${deadlineOf(job)}`,
    ...stuckLines(job),
    ...waitLines(job),
    ...section('attempts', job.attempts.map(attemptRow)),
    ...section(
      'permits',
      job.permits.map((permit) => [
        String(permit.attempt),
        permit.target,
        `granted ${permit.grantedAt}`,
        zombieOf(permit.zombieSince),
      ]),
    ),
    ...section(
      'on its way to the workflow',
      job.mail.map((mail) => [mail.kind, `since ${mail.createdAt}`, `${mail.tries} tries`]),
    ),
    ...section(
      'webhooks',
      job.webhooks.map((hook) => [hook.kind, hook.state, `${hook.tries} tries`, hook.lastAnswer ?? '', hook.id]),
    ),
    ...section(
      'last events',
      job.events.map((event) => [String(event.seq), event.at, event.kind]),
    ),
    ...section(
      'operators',
      job.actions.map((action) => [action.at, action.actor, action.action, action.reason]),
    ),
    ...workflowLines(job),
    ...(uiUrl === null ? [] : [uiUrl]),
  ].join('\n');
}

function deadlineOf({ finishedAt, runDeadline, queueDeadline }: ShownJob): string {
  if (finishedAt !== null) return `, ended ${finishedAt}`;
  return runDeadline === null ? `, to be begun by ${queueDeadline}` : `, to end by ${runDeadline}`;
}

function stuckLines({ stuck, finishedAt }: ShownJob): readonly string[] {
  if (stuck === null) return finishedAt === null ? ['', 'It is not stuck.'] : [];
  const { cause, since, sentence, nextStep, command } = stuck;
  return ['', `STUCK: ${cause}, since ${since}`, sentence, nextStep, `  ${command}`];
}

function waitLines({ ticket }: ShownJob): readonly string[] {
  if (ticket === null) return [];
  const { attempt, kind, pool, target, waitingSince, parkedUntil, isOverBudget, waitReason } = ticket;
  const notes = [
    ...(waitReason === null ? [] : [`the head of its line waits for: ${waitReason}`]),
    ...(parkedUntil === null ? [] : [`not in line before ${parkedUntil}`]),
    ...(isOverBudget ? ["its tenant's budget has no room for it"] : []),
  ];
  return ['', `attempt ${attempt} (${kind}) waits for ${target} in pool ${pool} since ${waitingSince}`, ...notes];
}

function attemptRow(attempt: ShownJob['attempts'][number]): readonly string[] {
  const { failure, outcome, evidence, copy, possibleDuplicate, operation } = attempt;
  const end = outcome === null ? 'under way' : `${outcome} by ${evidence} ${attempt.endedAt}`;
  const codes = failure === null ? '' : [failure.code, failure.vendorCode].filter(Boolean).join(' ');
  return [
    String(attempt.attempt),
    attempt.target,
    attempt.state,
    `sent ${attempt.submittedAt}`,
    end,
    codes,
    copy === null ? '' : `copy ${copy}`,
    possibleDuplicate ? 'may be paid twice' : '',
    operation ?? '',
  ];
}

function zombieOf(since: string | null): string {
  return since === null ? '' : `zombie since ${since}`;
}

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length === 0 ? [] : ['', title, adminTable(rows)];
}

const statusSentences: Readonly<Record<string, string>> = {
  NONE: 'Temporal has no workflow of it, which is right while it waits in line.',
  AWAY: 'Temporal did not answer: what stands above is what Postgres knows.',
};

function workflowLines({ workflow }: ShownJob): readonly string[] {
  const { status, startedAt, historyLength, stuckCause, problems, pendingActivities } = workflow;
  const sentence = statusSentences[status];
  if (sentence !== undefined) return ['', sentence];
  return [
    '',
    `workflow ${status}, started ${startedAt}, ${historyLength} events${stuckCause === null ? '' : `, StuckCause ${stuckCause}`}`,
    ...problems.map((problem) => `its tasks fail: ${problem}`),
    ...pendingActivities.map(
      ({ type, attempt, lastFailure }) => `${type}, try ${attempt}${lastFailure === null ? '' : `: ${lastFailure}`}`,
    ),
  ];
}
