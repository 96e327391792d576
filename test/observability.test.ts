import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

function namesIn(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, name]) => name ?? '');
}

const documented = namesIn(readFileSync(join(root, 'docs/observability.md'), 'utf8'), /^\| `(spillway_[a-z_]+)` \|/gm);

test('the table of metrics is what the code registers', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  const registered = files.flatMap((path) =>
    namesIn(readFileSync(join(root, 'src', path), 'utf8'), /(?:name: |gauge\()'(spillway_[a-z_]+)'/g),
  );
  expect(registered.length).toBeGreaterThan(20);
  expect(documented.toSorted()).toEqual(registered.toSorted());
});

test('every example asks for the metric that it stands beside', () => {
  const rows = readFileSync(join(root, 'docs/observability.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `spillway_'));
  for (const row of rows) {
    const [, name = '', , example = ''] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    expect(example).toContain(name.replaceAll('`', ''));
  }
});
