import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { stuckCauses } from '../../../src/domain/stuck.ts';
import { type Exported, readExported } from './exported.ts';
import { readExposition } from './exposition.ts';
import { allQueries, dashboard, panels, rules } from './files.ts';
import { isStatus, knownValues } from './known-values.ts';
import { type Asked, droppedLabels, hasErrors, readQuery } from './query.ts';

let exported: ReadonlyMap<string, Exported>;
beforeAll(async () => {
  exported = await readExported();
});

const ofScrapes = ['instance', 'job'];

/** What a query asks for, and the program does not export. */
function faultsOf(query: string): readonly string[] {
  if (hasErrors(query)) return ['it is not PromQL'];
  const asked = readQuery(query, exported);
  const dropped = droppedLabels(query).map((label) => `${label} was dropped by an inner aggregation`);
  return [...(asked.length === 0 ? ['it asks for nothing'] : []), ...dropped, ...asked.flatMap(faultsOfSelector)];
}

function faultsOfSelector({ metric, name, labels }: Asked): readonly string[] {
  const family = exported.get(metric);
  if (family === undefined) return [`nobody exports ${name}`];
  if (family.type === 'histogram' && name === metric) return [`${name} is a histogram: ask for a part of it`];
  const own = [...family.labels, ...ofScrapes, ...(name.endsWith('_bucket') ? ['le'] : [])];
  return labels.flatMap((label) => {
    if (!own.includes(label.name)) return [`${metric} has no label ${label.name}`];
    const known = knownValues(metric, label.name);
    const isKnown = (value: string): boolean =>
      label.name === 'status' ? isStatus(value) : (known?.includes(value) ?? false);
    return label.values
      .filter((value) => !isKnown(value))
      .map((value) => `${metric} never has ${label.name}="${value}"`);
  });
}

describe('queries', () => {
  test('every one of the rules and of the dashboard asks for what the program exports', () => {
    expect(allQueries.length).toBeGreaterThan(80);
    const faults = allQueries.flatMap(({ where, query }) => faultsOf(query).map((fault) => `${where}: ${fault}`));
    expect(faults).toEqual([]);
  });

  test.each([
    ['sum(rate(spillway_api_accepts_total[5m])', 'it is not PromQL'],
    ['vector(0)', 'it asks for nothing'],
    ['sum(rate(spillway_api_accept_total[5m]))', 'nobody exports spillway_api_accept_total'],
    ['sum(rate(spillway_api_accepts_total_count[5m]))', 'nobody exports spillway_api_accepts_total_count'],
    ['rate(spillway_api_request_seconds[5m])', 'spillway_api_request_seconds is a histogram: ask for a part of it'],
    ['sum by (tenant) (spillway_stuck_jobs)', 'spillway_stuck_jobs has no label tenant'],
    ['spillway_stuck_jobs{reason="no_credit"}', 'spillway_stuck_jobs has no label reason'],
    ['spillway_stuck_jobs{cause=~"no_credit|nocredit"}', 'spillway_stuck_jobs never has cause="nocredit"'],
    ['sum by (le) (spillway_stuck_jobs)', 'spillway_stuck_jobs has no label le'],
    ['sum by (pool) (max(spillway_pool_permits))', 'pool was dropped by an inner aggregation'],
    [
      'temporal_worker_task_slots_available{worker_type="Workflow"}',
      'temporal_worker_task_slots_available never has worker_type="Workflow"',
    ],
    ['spillway_api_request_seconds_count{status="5xx"}', 'spillway_api_request_seconds never has status="5xx"'],
  ])('a query that could never have an answer is found: %s', (query, fault) => {
    expect(faultsOf(query)).toContain(fault);
  });

  test('counters are asked how fast they grow, and gauges what they are', () => {
    const wrong = allQueries.filter(({ query }) =>
      readQuery(query, exported).some(({ metric, name }) => {
        const isCounted = exported.get(metric)?.type !== 'gauge';
        return isCounted !== new RegExp(String.raw`(?:rate|increase)\(${name}\b`).test(query);
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('what Postgres knows is told by every process: it is never added up over them', () => {
    const ofPostgres = /^spillway_(?:pool|queue|stuck|mail|spend|money|breaker_state|webhooks_open)/;
    const wrong = allQueries.filter(
      ({ query }) =>
        readQuery(query, exported).some(({ name }) => ofPostgres.test(name)) &&
        !/(?:max(?: by \([a-z, ]+\))? |max|absent)\(spillway_/.test(query),
    );
    expect(wrong).toEqual([]);
  });

  test('the metrics of the table are those that are registered, with nothing left out here', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/observability.md'), 'utf8');
    const documented = [...page.matchAll(/^\| `(spillway_[a-z_]+)` \|/gm)].map(([, name = '']) => name);
    expect([...exported.keys()].filter((name) => name.startsWith('spillway_')).toSorted()).toEqual(
      documented.toSorted(),
    );
  });
});

describe('alert rules', () => {
  test('each has a name of its own, and says what it means and where to read on', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { annotations } of rules) {
      expect(annotations.summary).toMatch(/^.{20,140}\.$/);
      expect(annotations.runbook_url).toMatch(/^docs\/runbook\.md#[a-z_-]+$/);
    }
  });

  test('every cause has one, and they are few', () => {
    const asked = rules.flatMap(({ expr }) => readQuery(expr, exported));
    const causes = asked.flatMap(({ labels }) =>
      labels.flatMap(({ name, values }) => (name === 'cause' ? values : [])),
    );
    const missing = stuckCauses.filter((cause) => !causes.includes(cause));
    // A lost answer is counted as it happens: by the time that it is stuck it may have been settled.
    expect(missing).toEqual(['submit_unknown']);
    expect(rules.length).toBeLessThanOrEqual(32);
  });
});

describe('the dashboard', () => {
  test('has a row for each theme, and every panel lies under one, beside the others', () => {
    const titles = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(titles).toEqual([
      'At a glance',
      'Accept',
      'Line and capacity',
      'Providers and breakers',
      'Stuck and ended',
      'Money',
      'Webhooks and streams',
      'Temporal workers',
      'Processes',
    ]);
    const taken = new Set<string>();
    for (const { gridPos, title } of dashboard.panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect({ title, x, isTaken: taken.has(`${x} ${y}`) || x >= 24 }).toEqual({ title, x, isTaken: false });
          taken.add(`${x} ${y}`);
        }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  test('a panel says what it shows, in the unit of the metric, and names its lines by labels that there are', () => {
    for (const { title, description, fieldConfig, targets } of panels) {
      const { unit } = fieldConfig.defaults;
      expect({ title, description }).toEqual({ title, description: expect.stringMatching(/\.$/) });
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      for (const { expr, legendFormat } of targets) {
        const isTime = /^(?:histogram_quantile|max).*_seconds(?:_bucket)?\b/.test(expr);
        expect({ title, isTime: isTime && unit !== 's' }).toEqual({ title, isTime: false });
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          const isKept =
            new RegExp(String.raw`by \([^)]*\b${label}\b`).test(expr) || (label === 'instance' && !expr.includes('('));
          expect({ title, label, isKept }).toEqual({ title, label, isKept: true });
        }
      }
    }
  });

  test('shows every metric of ours', () => {
    const shown = panels.flatMap(({ targets }) =>
      targets.flatMap(({ expr }) =>
        readQuery(expr.replaceAll('$__rate_interval', '1m'), exported).map(({ metric }) => metric),
      ),
    );
    const missing = [...exported.keys()].filter((name) => name.startsWith('spillway_') && !shown.includes(name));
    expect(missing).toEqual([]);
  });
});

test('a scrape is read by families: a histogram is one, and a counter that ends like its parts is its own', () => {
  const told = readExposition(
    '# TYPE a_seconds histogram\na_seconds_bucket{le="1",route="/x{y}"} 3\na_seconds_count{route="/x"} 3\n' +
      '# TYPE b_count gauge\nb_count 1\n# TYPE c_total counter\n',
  );
  expect([...told.keys()]).toEqual(['a_seconds', 'b_count', 'c_total']);
  expect([...(told.get('a_seconds')?.labels.get('route') ?? [])]).toEqual(['/x{y}', '/x']);
  expect([told.get('b_count')?.samples, told.get('c_total')?.samples]).toEqual([1, 0]);
});
