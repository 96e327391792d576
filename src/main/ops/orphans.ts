import { recordAction } from '../../db/control/operator-actions.ts';
import { findAdoptable, listOrphans, markAdopted, type NotedOrphan } from '../../db/retention/orphans.ts';
import { adoptOperation } from '../../db/ledger/restore.ts';
import { CommandError } from '../command-line/command-error.ts';
import { refuseOthers, signedOf } from './signed.ts';
import type { OpsTask } from './task.ts';

const linesMax = 1_000;

/** `npm run ops -- orphans list|adopt`: what vendors have, or told us of, that was in no ledger of ours. */
export async function orphans(task: OpsTask): Promise<number> {
  const [verb, ...rest] = task.operands;
  if (rest.length > 0 || (verb !== 'list' && verb !== 'adopt'))
    throw new CommandError(
      2,
      'Say what to do with them: npm run ops -- orphans list, or orphans adopt --reason TEXT|--dry-run.',
    );
  refuseOthers(task.flags, verb === 'list' ? ['json'] : ['dry-run', 'by', 'reason']);
  return verb === 'list' ? await list(task) : await adopt(task);
}

async function list({ pool, flags, say }: OpsTask): Promise<number> {
  const found = await listOrphans(pool, linesMax);
  if (flags.json === true) say(JSON.stringify(found));
  else if (found.length === 0) say('There are none.');
  else for (const orphan of found) say(lineOf(orphan));
  return 0;
}

const belongings = {
  nothing: 'its job is lost, so nobody waits for it: stop or delete it at the vendor',
  a_job: 'its job is open and knows no such attempt: run ops after-restore',
  an_attempt: 'its job is open: ops orphans adopt names it',
  an_ended_job: 'its job has ended: stop or delete it at the vendor',
} as const;

function lineOf(orphan: NotedOrphan): string {
  const { job, attempt, provider, targetName, operation, said, lastAt, adoptedAt, belongsTo } = orphan;
  const what = `${lastAt.toISOString()} ${provider} ${operation ?? '(no id known)'} ${job}.${attempt}`;
  const more = [targetName, said].filter((word) => word !== null).join(', ');
  const next = adoptedAt === null ? belongings[belongsTo] : 'adopted';
  return `${what}${more === '' ? '' : ` (${more})`}: ${next}`;
}

async function adopt({ pool, flags, say }: OpsTask): Promise<number> {
  const signed = flags['dry-run'] === true ? undefined : signedOf(flags);
  const found = await findAdoptable(pool, linesMax);
  let count = 0;
  for (const orphan of found) {
    const { job: jobId, attempt, operation } = orphan;
    if (operation === null) continue;
    if (signed === undefined) {
      say(`would adopt ${lineOf(orphan)}`);
      continue;
    }
    if (!(await adoptOperation(pool, { jobId, attempt, operation, by: 'callback' }))) continue;
    await markAdopted(pool, orphan);
    await recordAction(pool, {
      ...signed,
      action: 'adopt_orphan',
      subject: jobId,
      detail: { attempt, operation, provider: orphan.provider },
    });
    count += 1;
    say(`adopted ${orphan.provider} ${operation} as ${jobId}.${attempt}`);
  }
  if (flags['dry-run'] !== true) say(`${count} of ${found.length} adopted.`);
  return 0;
}
