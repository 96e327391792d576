import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const directory = join(import.meta.dirname, '../../../deploy/monitoring');
export const rulesPath = join(directory, 'alerts.yaml');

const rule = z.strictObject({
  alert: z.string().regex(/^Spillway[A-Za-z]+$/),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+[mh]$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.strictObject({ summary: z.string(), runbook_url: z.string() }),
});

export type Rule = z.infer<typeof rule>;

const rulesFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })),
});

export const rules: readonly Rule[] = rulesFile
  .parse(parse(readFileSync(rulesPath, 'utf8')))
  .groups.flatMap((group) => group.rules);

const place = z.strictObject({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const datasource = z.strictObject({ type: z.literal('prometheus'), uid: z.literal('${datasource}') });

const panel = z.strictObject({
  id: z.number(),
  type: z.enum(['timeseries', 'stat']),
  title: z.string(),
  description: z.string(),
  datasource,
  gridPos: place,
  targets: z
    .array(
      z.strictObject({
        refId: z.string().regex(/^[A-Z]$/),
        datasource,
        expr: z.string(),
        legendFormat: z.string(),
        editorMode: z.literal('code'),
        range: z.literal(true),
      }),
    )
    .min(1),
  fieldConfig: z.strictObject({
    defaults: z.strictObject({
      unit: z.enum(['short', 's', 'percentunit', 'reqps', 'ops', 'currencyUSD', 'bytes']),
      min: z.literal(0),
      color: z.looseObject({ mode: z.string() }),
      custom: z.looseObject({}),
      thresholds: z.strictObject({
        mode: z.literal('absolute'),
        steps: z.array(z.strictObject({ color: z.string(), value: z.number().nullable() })).min(1),
      }),
      mappings: z.array(z.unknown()),
    }),
    overrides: z.array(z.never()),
  }),
  options: z.looseObject({}),
});

const row = z.strictObject({
  id: z.number(),
  type: z.literal('row'),
  title: z.string(),
  collapsed: z.literal(false),
  gridPos: place,
  panels: z.array(z.never()),
});

export type Panel = z.infer<typeof panel>;

/** What we use of Grafana's schema, and nothing else: a field that is misspelt is a field that Grafana passes over. */
export const dashboard = z
  .strictObject({
    uid: z.string().max(40),
    title: z.string(),
    description: z.string(),
    tags: z.array(z.string()),
    timezone: z.string(),
    editable: z.boolean(),
    graphTooltip: z.literal(1),
    refresh: z.string(),
    schemaVersion: z.literal(39),
    time: z.strictObject({ from: z.string(), to: z.string() }),
    templating: z.strictObject({
      list: z.tuple([
        z.strictObject({
          name: z.literal('datasource'),
          label: z.string(),
          type: z.literal('datasource'),
          query: z.literal('prometheus'),
          refresh: z.literal(1),
          current: z.strictObject({}),
          hide: z.literal(0),
        }),
      ]),
    }),
    annotations: z.strictObject({ list: z.array(z.never()) }),
    panels: z.array(z.discriminatedUnion('type', [panel, row])),
  })
  .parse(JSON.parse(readFileSync(join(directory, 'dashboard.json'), 'utf8')));

export const panels: readonly Panel[] = dashboard.panels.filter((one) => one.type !== 'row');

/** Every question to Prometheus, with what Grafana puts in for its variables put in. */
export const allQueries: readonly { readonly where: string; readonly query: string }[] = [
  ...rules.map(({ alert, expr }) => ({ where: alert, query: expr })),
  ...panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: title, query: expr.replaceAll('$__rate_interval', '1m') })),
  ),
];
