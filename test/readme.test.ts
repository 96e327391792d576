import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { variables } from '../src/config.ts';

const read = (file: string): string => readFileSync(join(import.meta.dirname, '..', file), 'utf8');

function defaultOf(schema: { safeParse: (value: undefined) => { success: boolean; data?: unknown } }): string {
  const { data } = schema.safeParse(undefined);
  if (data === undefined) return '';
  return `\`${typeof data === 'string' ? data : JSON.stringify(data)}\``;
}

test('README’s configuration table is what config.ts reads: names, defaults and reasons', () => {
  const expected = Object.entries(variables).map(
    ([name, schema]) => `| \`${name}\` | ${defaultOf(schema)} | ${schema.description ?? ''} |`,
  );
  const [, section = ''] = read('README.md').split('## Configuration');
  const rows = (section.split('## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(expected);
});

test('.env.example names every variable, once', () => {
  const named = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z_]+)=/gm)].map(([, name]) => name ?? '');
  expect(named.toSorted((one, other) => one.localeCompare(other))).toEqual(
    Object.keys(variables).toSorted((one, other) => one.localeCompare(other)),
  );
});

test('README stays short enough to be read', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(200);
});

test('every room of the source is in README’s map', () => {
  const rooms = [...read('README.md').matchAll(/^\| `src\/([a-z]+)\/` /gm)].map(([, room]) => room);
  expect(rooms).toEqual(expect.arrayContaining(['domain', 'contracts', 'workflows', 'activities', 'dispatch', 'main']));
});
