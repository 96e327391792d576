import { listActions } from '../../db/control/operator-actions.ts';
import { limits } from '../../domain/limits/limits.ts';
import { momentOf } from '../admin/keys.ts';
import { adminTable } from '../command-line/table.ts';
import { countOf, refuseOthers } from './signed.ts';
import type { OpsTask } from './task.ts';

export const actionsUsage = `
  actions [SUBJECT] [--limit N] [--json]       what operators did, the newest first; of one job, pool, target or tenant`;

/** `actions` */
export async function actionsCommand({ pool, operands: [subject], flags, say, note }: OpsTask): Promise<number> {
  refuseOthers(flags, ['limit', 'json']);
  const count = flags.limit === undefined ? 20 : countOf('limit', flags.limit, limits.actionsListedMax);
  const actions = await listActions(pool, { after: null, subject: subject ?? null, count });
  if (flags.json === true) for (const action of actions) say(JSON.stringify(action));
  else if (actions.length === 0) note('Nobody has done anything yet.');
  else {
    const rows = actions.map(({ at, actor, action, subject: name, reason }) => [
      momentOf(at),
      actor,
      action,
      name,
      reason,
    ]);
    say(adminTable([['at', 'who', 'what', 'to', 'why'], ...rows]));
  }
  return 0;
}
