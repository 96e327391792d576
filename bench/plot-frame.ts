/** What every chart has around it: size, colours for light and dark, title, axis and the lines to compare with. */

export const width = 720;
export const height = 360;
export const left = 70;
export const top = 84;
export const plotWidth = width - left - 30;
export const plotHeight = height - top - 56;

export interface Frame {
  readonly title: string;
  readonly subtitle: string;
  readonly yLabel: string;
  /** The value at the upper edge. */
  readonly highest: number;
  readonly ticks: readonly { readonly value: number; readonly y: number; readonly words: string }[];
  readonly marks: readonly { readonly name: string; readonly y: number }[];
}

/** A picture has its own background, for the page's may be either. Colours that the colour-blind can tell apart. */
const light = {
  ground: '#ffffff',
  ink: '#1f2328',
  quiet: '#59636e',
  rule: '#d8dee4',
  series: ['#0072b2', '#d55e00', '#009e73', '#aa4499'],
};
const dark = {
  ground: '#0d1117',
  ink: '#e6edf3',
  quiet: '#9198a1',
  rule: '#30363d',
  series: ['#56b4e9', '#e69f00', '#2fc49a', '#dd88cc'],
};

const style = `
  text { font: 12px system-ui, sans-serif; } .title { font-size: 16px; font-weight: 600; }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .mark { stroke-dasharray: 5 4; }
  .mark-name { paint-order: stroke; stroke-width: 4px; stroke-linejoin: round; }
${coloured(light)}
  @media (prefers-color-scheme: dark) {
${coloured(dark)}
  }`;

/** No variables of CSS: not everything that shows an SVG knows them. */
function coloured({ ground, ink, quiet, rule, series }: typeof light): string {
  const ofSeries = series.map(
    (colour, index) => `.line.s${index} { stroke: ${colour}; } .bar.s${index} { fill: ${colour}; }`,
  );
  const ofFrame = `.ground { fill: ${ground}; } text { fill: ${ink}; } .quiet, .mark-name { fill: ${quiet}; } .mark-name { stroke: ${ground}; } .rule { stroke: ${rule}; } .mark { stroke: ${quiet}; }`;
  return [ofFrame, ...ofSeries].map((line) => `  ${line}`).join('\n');
}

export function draw({ title, subtitle, yLabel, ticks, marks }: Frame, parts: readonly string[]): string {
  const right = left + plotWidth;
  const rules = ticks.flatMap(({ y, words }) => [
    `<line class="rule" x1="${left}" x2="${right}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}"/>`,
    text({ x: left - 8, y: y + 4, words, anchor: 'end' }),
  ]);
  const compared = marks.flatMap(({ name, y }) => [
    `<line class="mark" x1="${left}" x2="${right}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}"/>`,
    text({ x: right, y: y - 5, words: name, anchor: 'end', kind: 'mark-name' }),
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}\n</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="6"/>`,
    text({ x: 20, y: 28, words: title, anchor: 'start', kind: 'title' }),
    text({ x: 20, y: 48, words: subtitle, anchor: 'start', kind: 'quiet' }),
    text({ x: 20, y: top - 14, words: yLabel, anchor: 'start', kind: 'quiet' }),
    ...rules,
    ...parts,
    ...compared,
    '</svg>',
    '',
  ].join('\n');
}

export interface Text {
  readonly x: number;
  readonly y: number;
  readonly words: string;
  readonly anchor: 'start' | 'middle' | 'end';
  readonly kind?: 'title' | 'quiet' | 'mark-name';
}

export function text({ x, y, words, anchor, kind }: Text): string {
  const look = kind === undefined ? '' : ` class="${kind}"`;
  return `<text${look} x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
