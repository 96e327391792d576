import { readOverview } from '../db/overview.ts';
import { overviewText } from '../domain/overview-text.ts';
import { AdminError } from './admin-error.ts';
import { refuseOthers } from './ops-signed.ts';
import type { OpsTask } from './ops-task.ts';

/** `overview`: what the standing workflow shows, read now. */
export async function overviewCommand({ pool, config, operands, flags, say }: OpsTask): Promise<number> {
  refuseOthers(flags, ['json']);
  if (operands.length > 0) throw new AdminError(2, 'overview takes no operand.');
  const overview = await readOverview(pool, { stuckAfterMs: config.stuckAfterMs });
  say(flags.json === true ? JSON.stringify(overview) : overviewText(overview));
  return 0;
}
