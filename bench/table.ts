import type { CpuUse } from './cpu.ts';

export type Row = readonly (string | number)[];

/** Text in columns: the first to the left, figures to the right. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => row.map(textOf));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join('  '));
  return lines.map((line) => `  ${line.trimEnd()}`).join('\n');
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function textOf(cell: string | number): string {
  return typeof cell === 'string' ? cell : rounded(cell).toLocaleString('en-US');
}

/** Three significant figures are all that such a run can tell. */
export function rounded(value: number): number {
  if (Math.abs(value) >= 100) return Math.round(value);
  return Number(value.toPrecision(3));
}

/** The cores that each program had, and the share of the machine that was none of ours. */
export function cpuTable({ msByName, seconds, othersShare }: CpuUse): string {
  const names = [...msByName.keys()];
  const cores = names.map((name) => (msByName.get(name) ?? 0) / 1_000 / seconds);
  return table([
    ['CPU', ...names, 'others'],
    ['cores', ...cores, `${(othersShare * 100).toFixed(0)} %`],
  ]);
}
