import { limits } from './limits/limits.ts';
import type { Overview, PauseOverview, PoolOverview, StuckTotal } from './overview.ts';
import { sentenceOfCause } from './stuck-advice.ts';

/** The overview as Markdown, for Temporal UI. */
export function overviewText({ readAt, pools, poolsLeftOut, pausedTenants, stuck }: Overview): string {
  return [
    `As of ${timeOf(readAt)}; read anew every minute.`,
    '## Stuck jobs',
    ...(stuck.length === 0 ? ['None.'] : [stuckHead, ...stuck.map((total) => stuckRow(total, readAt))]),
    '## Pools',
    ...(pools.length === 0
      ? ['None yet: a worker writes them at its start.']
      : [poolHead, ...pools.map((pool) => poolRow(pool, readAt))]),
    ...(poolsLeftOut > 0 ? [`And ${poolsLeftOut} more with shorter lines: \`npm run ops -- overview\`.`] : []),
    ...pools.flatMap(({ pool, pauses }) => pauses.map((pause) => pauseLine(pool, pause))),
    ...(pausedTenants.length > 0 ? [`- Paused tenants: ${pausedTenants.join(', ')}`] : []),
  ]
    .join('\n')
    .slice(0, limits.overviewCharsMax);
}

const stuckHead = '| cause | jobs | oldest | what it means | find them by |\n|---|---:|---:|---|---|';

function stuckRow({ cause, jobs, oldestSince, isCapped }: StuckTotal, now: number): string {
  const found = cause === 'workflow_task_failing' ? 'TemporalReportedProblems IS NOT NULL' : `StuckCause = '${cause}'`;
  const count = `${jobs}${isCapped ? '+' : ''}`;
  return `| ${cause} | ${count} | ${spanOf(now - oldestSince)} | ${sentenceOfCause({ cause })} | \`${found} AND ExecutionStatus = 'Running'\` |`;
}

const poolHead =
  '| pool | waiting | oldest | permits | zombies | breakers | held back |\n|---|---:|---:|---:|---:|---|---|';

function poolRow(pool: PoolOverview, now: number): string {
  const { waiting, oldestSince, live, zombies, limit, configured, breakers, pauses, isOverridden } = pool;
  const limits = `${limit}${limit === configured ? '' : ` of ${configured}`}${isOverridden ? ' (override)' : ''}`;
  const cells = [
    pool.pool,
    String(waiting),
    oldestSince === null ? '–' : spanOf(now - oldestSince),
    `${live + zombies} / ${limits}`,
    String(zombies),
    breakers.map(({ target, health }) => `${target} ${health}`).join(', ') || '–',
    pauses.map(({ subject, drains }) => `${subject}${drains ? ' (drains)' : ''}`).join(', ') || '–',
  ];
  return `| ${cells.join(' | ')} |`;
}

/** What an operator wrote is no Markdown of ours. */
function pauseLine(pool: string, { subject, drains, reason }: PauseOverview): string {
  const what = subject === 'pool' ? `Pool ${pool}` : `Target ${subject}`;
  return `- ${what} ${drains ? 'is drained' : 'is paused'}: ${reason.replaceAll(/[^\p{L}\p{N} .,:;()/-]/gu, ' ')}`;
}

/** Such as `2 h 5 min`: as precise as anybody needs. */
export function spanOf(milliseconds: number): string {
  const seconds = Math.max(Math.round(milliseconds / 1_000), 0);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Such as `2026-11-21 12:03:04 UTC`. */
function timeOf(moment: number): string {
  return `${new Date(moment).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
