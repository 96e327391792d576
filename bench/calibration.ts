import { setTimeout as delay } from 'node:timers/promises';
import { apiTenant, type Line, type Owner, ownersOf } from './backlog.ts';
import { type Calibration, type CalibrationOptions, readEnds, tellCalibration } from './calibration-report.ts';
import { lookUp, type Told } from './look-up.ts';
import { onOnePool } from './on-one-pool.ts';
import { type Stage, startWorkers } from './stage.ts';

/** How many waiting jobs are asked for in a round, and how often. */
const askedAtOnce = 20;
const askEveryMs = 3_000;
/** Beyond what draining takes by the figures. */
const drainPatience = 5;

/** Whether what a client is told of its place and its time is true: the whole line is drained, so nobody is left out. */
export async function benchCalibration(options: CalibrationOptions, say: (line: string) => void): Promise<object> {
  return await onOnePool(options, async ({ stage, line, programs }) => {
    await line.add(crowd(options));
    // A job that is shown in Temporal UI for its long wait would look as if it had left the line.
    programs.push(...(await startWorkers(stage, { count: 1, env: { STUCK_AFTER_SECONDS: '86400' } })));
    return await tellCalibration(await drain({ stage, line, options }), say);
  });
}

function crowd({ jobs, users }: CalibrationOptions): readonly Owner[] {
  const half = Math.floor(jobs / 2);
  const others = ownersOf({ jobs: jobs - half, tenant: apiTenant, users: Math.max(1, users - 1) });
  return [...Array.from({ length: half }, () => ({ tenant: apiTenant, user: 'half-of-all' })), ...others];
}

interface Draining {
  readonly stage: Stage;
  readonly line: Line;
  readonly options: CalibrationOptions;
}

async function drain({ stage, line, options }: Draining): Promise<Calibration> {
  const { jobs, slots, videoSeconds } = options;
  const beganAt = Date.now();
  const giveUpAt = beganAt + drainPatience * 1_000 * (10 + (jobs / slots) * videoSeconds);
  const told: Told[] = [];
  for (;;) {
    await delay(askEveryMs);
    const waiting = await someWaiting(line);
    for (const id of waiting) {
      const answer = await lookUp(stage, id);
      if (answer?.status === 'queued' && answer.reason !== 'starting') told.push(answer);
    }
    if (waiting.length === 0) break;
    if (Date.now() > giveUpAt) throw new Error(`The line does not drain: ${await line.countWaiting()} wait still.`);
  }
  const known = told.filter(({ position, etaSeconds }) => position !== null && etaSeconds !== null);
  const ended = await readEnds(stage.databaseUrl, { told: known, giveUpAt });
  return { options, ended, untold: told.length - known.length, seconds: (Date.now() - beganAt) / 1_000 };
}

async function someWaiting({ pool }: Line): Promise<readonly string[]> {
  const { rows } = await pool.query<{ job: string }>('SELECT job FROM tickets ORDER BY random() LIMIT $1', [
    askedAtOnce,
  ]);
  return rows.map(({ job }) => job);
}
