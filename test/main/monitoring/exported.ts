import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { register, Registry } from 'prom-client';
import { z } from 'zod';
import { createAdmission } from '../../../src/api/load/admission.ts';
import { createApiMetrics, registerAdmissionMetrics } from '../../../src/api/metrics.ts';
import { createPool } from '../../../src/db/pool.ts';
import { registerCapacityMetrics } from '../../../src/main/metrics/capacity-metrics.ts';
import '../../../src/main/metrics/metrics.ts';
import { registerProcessMetrics } from '../../../src/main/metrics/process-metrics.ts';
import { registerStuckMetrics } from '../../../src/main/metrics/stuck-metrics.ts';

/** What a worker's SDK told once: see test/end-to-end/monitoring.e2e.test.ts. */
export const recordedPath = join(import.meta.dirname, 'worker-metrics.json');

export interface Exported {
  readonly type: string;
  readonly labels: readonly string[];
}

/** What a metric of prom-client knows of itself, which its types keep to themselves. */
const registered = z.object({ type: z.string().optional(), labelNames: z.array(z.string()) });

const recorded = z.record(
  z.string(),
  z.object({ type: z.string(), labels: z.record(z.string(), z.array(z.string())) }),
);

/** Values that the SDK was seen to tell, of labels whose values are the same in each deployment. */
export const recordedMetrics = recorded.parse(JSON.parse(readFileSync(recordedPath, 'utf8')));

/** Every metric that the program exports, with the labels that the code gives it. Nobody is asked for a value. */
export async function readExported(): Promise<ReadonlyMap<string, Exported>> {
  const registry = new Registry();
  const log = pino({ level: 'silent' });
  const db = createPool({
    url: 'postgres://127.0.0.1:1/none',
    connectionsMax: 1,
    name: 'none',
    onError: () => undefined,
  });
  createApiMetrics(registry);
  const admission = createAdmission({ onShed: () => undefined });
  registerAdmissionMetrics(registry, admission);
  registerCapacityMetrics(registry, db, log);
  registerStuckMetrics(registry, { db, log, stuckAfterMs: 1 });
  registerProcessMetrics(registry);
  admission.stop();
  await db.end();
  const ours = [registry, register].flatMap((one) =>
    one.getMetricsAsArray().map((metric): readonly [string, Exported] => {
      const { labelNames } = registered.parse(metric);
      return [metric.name, { type: typeOf(metric), labels: labelNames }];
    }),
  );
  const ofTemporal = Object.entries(recordedMetrics).map(([name, { type, labels }]): readonly [string, Exported] => [
    name,
    { type, labels: Object.keys(labels) },
  ]);
  return new Map([...ours, ...ofTemporal]);
}

function typeOf(metric: object): string {
  return metric.constructor.name.toLowerCase();
}
