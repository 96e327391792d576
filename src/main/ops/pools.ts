import { type PoolControl, readPoolControls } from '../../db/control/pool-controls.ts';
import { CommandError } from '../command-line/command-error.ts';
import { adminTable } from '../command-line/table.ts';
import { refuseOthers } from './signed.ts';
import type { OpsTask } from './task.ts';

/** `pools`: what can be paused, drained and limited, and whether a drained target is empty. */
export async function poolsCommand({ pool, operands, flags, say, note }: OpsTask): Promise<number> {
  refuseOthers(flags, ['json']);
  if (operands.length > 0) throw new CommandError(2, 'pools takes no operand.');
  const pools = await readPoolControls(pool);
  if (flags.json === true) for (const one of pools) say(JSON.stringify(one));
  else if (pools.length === 0) note('There are no pools yet: a worker writes them when it starts.');
  else say(adminTable([['pool', 'target', 'state', 'permits', 'waiting', 'limits'], ...pools.flatMap(rowsOf)]));
  return 0;
}

function rowsOf(one: PoolControl): readonly (readonly string[])[] {
  const { pool, isPaused, held, waiting, targets } = one;
  const own = [pool, '', isPaused ? 'paused' : 'open', String(held), String(waiting), limitsOf(one)];
  const rows = targets.map((target) => [
    '',
    target.name,
    target.state,
    String(target.held),
    String(target.waiting),
    target.admits === null ? '' : `${target.admits} at once by its breakers`,
  ]);
  return [own, ...rows];
}

function limitsOf({ outstandingMax, perMinuteMax, override }: PoolControl): string {
  const of = (own: { readonly outstandingMax: number; readonly perMinuteMax: number }): string =>
    `${own.outstandingMax} at once, ${own.perMinuteMax} a minute`;
  if (override === null) return of({ outstandingMax, perMinuteMax });
  const now = {
    outstandingMax: override.outstandingMax ?? outstandingMax,
    perMinuteMax: override.perMinuteMax ?? perMinuteMax,
  };
  return `${of(now)} until ${override.expiresAt} (catalogue: ${of({ outstandingMax, perMinuteMax })})`;
}
