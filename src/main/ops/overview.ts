import { readOverview } from '../../db/control/overview.ts';
import { overviewText } from '../../domain/overview-text.ts';
import { CommandError } from '../command-line/command-error.ts';
import { refuseOthers } from './signed.ts';
import type { OpsTask } from './task.ts';

/** `overview`: what the standing workflow shows, read now. */
export async function overviewCommand({ pool, config, operands, flags, say }: OpsTask): Promise<number> {
  refuseOthers(flags, ['json']);
  if (operands.length > 0) throw new CommandError(2, 'overview takes no operand.');
  const overview = await readOverview(pool, { stuckAfterMs: config.stuckAfterMs });
  say(flags.json === true ? JSON.stringify(overview) : overviewText(overview));
  return 0;
}
