import { register, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createApiMetrics } from '../../../src/api/metrics.ts';
import { tellFirstSamples } from '../../../src/main/metrics/first-samples.ts';
import { rules } from '../monitoring/files.ts';
import { knownValues } from '../monitoring/known-values.ts';
import { readExported } from '../monitoring/exported.ts';
import { readQuery } from '../monitoring/query.ts';

/** Of which the SDK, or a request, decides what there is: errors of ours are watched beside what went well. */
const byItself = /^(temporal_|spillway_api_request_seconds)/;

test('whatever an alert wants to see grow is told as 0 before anything has happened', async () => {
  const api = new Registry();
  createApiMetrics(api);
  tellFirstSamples(['fal/a', 'fal/b']);
  const told = (await Promise.all([api.metrics(), register.metrics()])).join('\n');
  const families = await readExported();
  const watched = rules.flatMap(({ expr }) => readQuery(expr, families)).filter(({ name }) => name.endsWith('_total'));
  const names = [...new Set(watched.map(({ name }) => name))].filter((name) => !byItself.test(name));
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(told).toMatch(new RegExp(`^${name}\\{[^}]*\\} 0$`, 'm'));
});

test('of each target, each end, each result and each repair, and of a target that came once already its count', async () => {
  tellFirstSamples(['fal/a', 'fal/b']);
  const told = await register.metrics();
  for (const target of ['fal/a', 'fal/b'])
    expect(told).toContain(`spillway_unknown_submits_total{target="${target}"} 0`);
  for (const [name, label] of [
    ['spillway_jobs_ended_total', 'phase'],
    ['spillway_webhook_tries_total', 'result'],
    ['spillway_repairs_total', 'repair'],
  ] as const)
    for (const value of knownValues(name, label) ?? []) expect(told).toContain(`${name}{${label}="${value}"} 0`);
});
