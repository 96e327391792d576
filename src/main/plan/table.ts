import type { AccountPlan, PlanWish } from './accounts.ts';

const headings = [
  'account',
  'slots',
  'a minute',
  'wait p50',
  'p80',
  'p95',
  'p99',
  'max',
  'drained in',
  'served',
  'ended',
  'cost',
  '429s',
  'in use',
];

/** The plan for people. The account that was wished for is marked. */
export function planTable(accounts: readonly AccountPlan[], { model, realShare }: PlanWish): string {
  const jobs = accounts[0]?.jobs ?? 0;
  const rows = [headings, ...accounts.map(cellsOf)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => pad(cell, column, widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const real = realShare === 1 ? '' : `, of whose limits the accounts bear ${Math.round(realShare * 100)} %`;
  const title = `${jobs.toLocaleString('en-GB')} jobs of ${model} at ${accounts[0]?.target ?? 'no target'}${real}`;
  return `${[title, '', ...lines].join('\n')}\n`;
}

function cellsOf(plan: AccountPlan): readonly string[] {
  const { p50, p80, p95, p99, max } = plan.wait_seconds;
  const share = plan.submits === 0 ? '' : ` (${((100 * plan.refusals_429) / plan.submits).toFixed(1)} %)`;
  return [
    plan.is_wished ? `${plan.account} *` : plan.account,
    String(plan.outstanding),
    String(plan.per_minute),
    ...[p50, p80, p95, p99, max].map((seconds) => (seconds === null ? '-' : durationText(seconds))),
    durationText(plan.drain_seconds),
    String(plan.served),
    String(plan.failed),
    plan.cost_usd === null ? 'no price' : `$${plan.cost_usd.toFixed(2)}`,
    plan.refusals_429 === 0 ? '0' : `${plan.refusals_429}${share}`,
    plan.utilisation === null ? '-' : `${Math.round(plan.utilisation * 100)} %`,
  ];
}

function durationText(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 6_000) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}

function pad(cell: string, column: number, width: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
