import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { searchAttributeTypes } from '../src/contracts/search-attributes.ts';
import { stuckCauses } from '../src/domain/stuck.ts';

const page = readFileSync(join(import.meta.dirname, '../docs/stuck-jobs.md'), 'utf8');

/** The rows of the table under a heading, in cells. */
function tableOf(heading: string): readonly (readonly string[])[] {
  const [, part = ''] = page.split(`## ${heading}\n`);
  const rows = (part.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const namesIn = (cell = ''): readonly string[] => [...cell.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name ?? '');

describe('the page of stuck jobs', () => {
  const rows = tableOf('The causes, and where each shows');

  test('has every cause, in the order in which they count', () => {
    expect(rows.flatMap(([cause]) => namesIn(cause))).toEqual(stuckCauses);
  });

  test('leaves no place open: timeline, metric and ops have them all', () => {
    for (const row of rows) expect(row.slice(4)).toEqual(['yes', 'yes', 'yes']);
  });

  test('says of each what it is derived from', () => {
    const derived = tableOf('What each is derived from').flatMap(([cause]) => namesIn(cause));
    expect(derived).toEqual(stuckCauses);
  });

  test('searches by attributes that there are, for causes that there are', () => {
    const queries = tableOf('Finding one in a minute').map(([, query = '']) => query);
    expect(queries.length).toBeGreaterThan(4);
    const known = [...Object.keys(searchAttributeTypes), 'ExecutionStatus', 'WorkflowType', 'TemporalReportedProblems'];
    for (const query of queries) {
      const names = [...query.matchAll(/(\w+) (?:=|IS)/g)].map(([, name]) => name);
      expect(names.length).toBeGreaterThan(1);
      for (const name of names) expect(known).toContain(name);
      for (const [, cause] of query.matchAll(/StuckCause = '(\w+)'/g)) expect(stuckCauses).toContain(cause);
    }
  });
});
