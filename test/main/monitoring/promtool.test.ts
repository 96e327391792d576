import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { alertCases, type Series } from './alert-cases.ts';
import { rules, rulesPath } from './files.ts';

/** Prometheus' own judge. It comes with Prometheus, as with `apt-get install prometheus`; `PROMTOOL` names another one. */
const promtool = process.env['PROMTOOL'] ?? 'promtool';
/** One that is named and not there fails. */
const isThere = process.env['PROMTOOL'] !== undefined || spawnSync(promtool, ['--version']).status === 0;

test('every rule has a case in which it fires, and one in which it does not', () => {
  expect(Object.keys(alertCases)).toEqual(rules.map(({ alert }) => alert));
});

/** Whether an alert fires after two hours of these series. */
function testOf(alert: string, { series, fires }: { readonly series: Series; readonly fires: boolean }): object {
  return {
    name: `${alert} ${fires ? 'fires' : 'is quiet'}`,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: '2h',
        exp_samples: fires ? [{ labels: '{}', value: 1 }] : [],
      },
    ],
  };
}

function judge(tests: readonly object[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-rules-'));
  try {
    const path = join(directory, 'tests.yaml');
    writeFileSync(path, stringify({ rule_files: [rulesPath], evaluation_interval: '5m', tests }));
    const { status, stdout, stderr } = spawnSync(promtool, ['test', 'rules', path], { encoding: 'utf8' });
    return status === 0 ? '' : stdout + stderr;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe.runIf(isThere)('by promtool, where it is in PATH or named by PROMTOOL', () => {
  test('the rules are valid', () => {
    expect(execFileSync(promtool, ['check', 'rules', rulesPath], { encoding: 'utf8' })).toContain('SUCCESS');
  });

  test('each fires in trouble and is quiet otherwise', () => {
    const tests = Object.entries(alertCases).flatMap(([alert, { fires, firesToo, quiet }]) => [
      testOf(alert, { series: fires, fires: true }),
      ...(firesToo === undefined ? [] : [testOf(alert, { series: firesToo, fires: true })]),
      testOf(alert, { series: quiet, fires: false }),
    ]);
    expect(judge(tests)).toBe('');
  }, 60_000);

  test('a rule that did not fire would be told of', () => {
    expect(judge([testOf('SpillwayNoCredit', { series: {}, fires: true })])).toContain('FAILED');
  });
});
