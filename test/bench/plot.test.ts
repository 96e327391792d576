import { describe, expect, it } from 'vitest';
import { barChart, lineChart, ticksOf } from '../../bench/plot.ts';

const words = { title: 'Waits', subtitle: 'of a run', y: 'ms' };

describe('plots', () => {
  it('draws a line from corner to corner, and a legend only where there are several', () => {
    const one = { name: 'p50', points: [[0, 0] as const, [10, 100] as const] };
    const svg = lineChart({ ...words, x: 'seconds', yMax: 100, series: [one] });
    expect(svg).toContain('points="70.0,304.0 690.0,84.0"');
    expect(svg).not.toContain('>p50<');
    expect(lineChart({ ...words, x: 'seconds', series: [one, { ...one, name: 'p99' }] })).toContain('>p99<');
  });

  it('keeps what is above the upper edge on the picture', () => {
    const svg = barChart({ ...words, yMax: 1, bars: [{ name: 'far too much', value: 50 }] });
    expect(svg).toContain('y="84.0"');
    expect(svg).toContain('>50<');
  });

  it('draws runs that measured nothing, and values that never came', () => {
    const nothing = lineChart({ ...words, x: 'seconds', series: [{ name: 'p50', points: [] }] });
    const never = barChart({ ...words, bars: [{ name: 'never', value: Number.POSITIVE_INFINITY }] });
    for (const svg of [nothing, never]) expect(svg).not.toMatch(/NaN|undefined|"-?Infinity/);
  });

  it('escapes what would end a tag', () => {
    expect(barChart({ ...words, title: 'a < b & "c"', bars: [] })).toContain('a &#60; b &#38; &#34;c&#34;');
  });

  it('has colours for light and for dark', () => {
    const svg = barChart({ ...words, bars: [{ name: 'one', value: 1 }] });
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain('class="ground"');
  });

  it.each([
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [100, [0, 20, 40, 60, 80, 100]],
    [0.3, [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]],
    [7_300, [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]],
  ])('has round ticks up to %d', (max, ticks) => {
    expect(ticksOf(max)).toEqual(ticks);
  });
});
