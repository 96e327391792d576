import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './root.ts';
import { draw, type Frame, height, left, plotHeight, plotWidth, text, top } from './plot-frame.ts';

/** Small SVG charts without a library: a plot in a document is to be read, not explored. */

export type Point = readonly [x: number, y: number];

/** A horizontal line to compare with, such as an aim. */
export interface Mark {
  readonly name: string;
  readonly value: number;
}

interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly y: string;
  /** Absent: as high as the highest value or mark. */
  readonly yMax?: number;
  readonly marks?: readonly Mark[];
}

export interface LineChart extends Chart {
  readonly x: string;
  readonly series: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

export interface BarChart extends Chart {
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

/** Where the plots are that docs/benchmarks.md shows. Returns the path that it shows them by. */
export async function writePlot(name: string, svg: string): Promise<string> {
  const directory = join(root, 'docs/plots');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${name}.svg`), svg);
  return `docs/plots/${name}.svg`;
}

/** One line a series, with a legend when there are several. */
export function lineChart(chart: LineChart): string {
  const points = chart.series.flatMap((series) => series.points);
  const xMax = Math.max(1e-9, ...points.map(([x]) => x));
  const frame = frameOf(
    chart,
    points.map(([, y]) => y),
  );
  const place = ([x, y]: Point): string => `${(left + (x / xMax) * plotWidth).toFixed(1)},${yOf(frame, y).toFixed(1)}`;
  const lines = chart.series.map(
    ({ points }, index) => `<polyline class="line s${index}" points="${points.map(place).join(' ')}"/>`,
  );
  const names = chart.series.map(({ name }) => name);
  return draw(frame, [...lines, ...xTicks(xMax), xLabel(chart.x), ...(names.length > 1 ? legend(names) : [])]);
}

/** One bar a name, its value above it. */
export function barChart(chart: BarChart): string {
  const frame = frameOf(
    chart,
    chart.bars.map(({ value }) => value),
  );
  const step = plotWidth / chart.bars.length;
  const width = Math.min(0.6 * step, 80);
  const bars = chart.bars.flatMap(({ name, value }, index) => {
    const middle = left + (index + 0.5) * step;
    const y = yOf(frame, value);
    const size = `width="${width.toFixed(1)}" height="${(top + plotHeight - y).toFixed(1)}"`;
    return [
      `<rect class="bar s0" x="${(middle - width / 2).toFixed(1)}" y="${y.toFixed(1)}" ${size}/>`,
      text({ x: middle, y: y - 6, words: shortly(value), anchor: 'middle' }),
      text({ x: middle, y: top + plotHeight + 20, words: name, anchor: 'middle' }),
    ];
  });
  return draw(frame, bars);
}

function frameOf({ title, subtitle, y, yMax, marks = [] }: Chart, values: readonly number[]): Frame {
  // What never came is drawn up to the edge.
  const finite = [...values, ...marks.map(({ value }) => value)].filter(Number.isFinite);
  const highest = yMax ?? Math.max(1e-9, ...finite) * 1.08;
  const ticks = ticksOf(highest).map((value) => ({ value, y: yOf({ highest }, value), words: shortly(value) }));
  const placed = marks.map((mark) => ({ ...mark, y: yOf({ highest }, mark.value) }));
  return { title, subtitle, yLabel: y, highest, ticks, marks: placed };
}

function yOf({ highest }: Pick<Frame, 'highest'>, value: number): number {
  return top + plotHeight * (1 - Math.min(Math.max(value, 0), highest) / highest);
}

function xTicks(xMax: number): readonly string[] {
  return ticksOf(xMax).map((value) =>
    text({ x: left + (value / xMax) * plotWidth, y: top + plotHeight + 20, words: shortly(value), anchor: 'middle' }),
  );
}

function xLabel(words: string): string {
  return text({ x: left + plotWidth / 2, y: height - 12, words, anchor: 'middle', kind: 'quiet' });
}

function legend(names: readonly string[]): readonly string[] {
  const step = 110;
  const begin = left + plotWidth - step * names.length;
  return names.flatMap((name, index) => [
    `<rect class="bar s${index}" x="${begin + index * step}" y="${top - 20}" width="14" height="4"/>`,
    text({ x: begin + index * step + 20, y: top - 14, words: name, anchor: 'start' }),
  ]);
}

/** Round numbers from zero on, four to nine of them. */
export function ticksOf(max: number): readonly number[] {
  const magnitude = 10 ** Math.floor(Math.log10(max));
  const step = [0.1, 0.2, 0.25, 0.5, 1, 2].map((share) => share * magnitude).find((one) => max / one < 8) ?? magnitude;
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

function shortly(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 4 });
}
