import { recordAction } from '../../db/control/operator-actions.ts';
import { findAdoptable, listOrphans, markAdopted, type NotedOrphan } from '../../db/retention/orphans.ts';
import { adoptOperation } from '../../db/ledger/restore.ts';
import { proveOrphan } from '../../operations/prove-orphan.ts';
import { CommandError } from '../command-line/command-error.ts';
import { readProviders } from './read-providers.ts';
import { refuseOthers, signedOf } from './signed.ts';
import type { OpsTask } from './task.ts';

const linesMax = 1_000;

/** `npm run ops -- orphans list|adopt`: what vendors have, or told us of, that was in no ledger of ours. */
export async function orphans(task: OpsTask, readAll = readProviders): Promise<number> {
  const [verb, ...rest] = task.operands;
  if (rest.length > 0 || (verb !== 'list' && verb !== 'adopt'))
    throw new CommandError(
      2,
      'Say what to do with them: npm run ops -- orphans list, or orphans adopt --reason TEXT|--dry-run.',
    );
  refuseOthers(task.flags, verb === 'list' ? ['json'] : ['dry-run', 'by', 'reason']);
  return verb === 'list' ? await list(task) : await adopt(task, readAll);
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
  an_attempt: 'its attempt has no end yet: ops orphans adopt names it',
  an_ended_attempt: 'its attempt has ended: stop or delete it at the vendor',
  an_ended_job: 'its job has ended: stop or delete it at the vendor',
} as const;

function lineOf(orphan: NotedOrphan): string {
  const { job, attempt, provider, targetName, operation, said, lastAt, adoptedAt, belongsTo } = orphan;
  const what = `${lastAt.toISOString()} ${provider} ${operation ?? '(no id known)'} ${job}.${attempt}`;
  const more = [targetName, said].filter((word) => word !== null).join(', ');
  const next = adoptedAt === null ? belongings[belongsTo] : 'adopted';
  return `${what}${more === '' ? '' : ` (${more})`}: ${next}`;
}

const unproven = {
  unknown: 'its vendor has nothing of that name under our key, so it is not ours',
  unasked: 'its vendor gave no answer, or there is no key for it: try again later',
} as const;

async function adopt(task: OpsTask, readAll: typeof readProviders): Promise<number> {
  const { pool, flags, say } = task;
  const signed = flags['dry-run'] === true ? undefined : signedOf(flags);
  const [found, providers] = await Promise.all([findAdoptable(pool, linesMax), readAll(task.config)]);
  let count = 0;
  for (const orphan of found) {
    const { job: jobId, attempt, operation } = orphan;
    if (operation === null) continue;
    const proof = await proveOrphan(providers, orphan);
    if (proof !== 'known') {
      say(`left as it is ${orphan.provider} ${operation} ${jobId}.${attempt}: ${unproven[proof]}`);
      continue;
    }
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
