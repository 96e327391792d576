import express, { type Express } from 'express';
import type { Registry } from 'prom-client';
import { ping } from '../db/ping.ts';
import type { Database } from '../db/pool.ts';
import { within } from './database-wait.ts';

export interface OpsDeps {
  readonly pool: Database;
  readonly temporalReady: () => Promise<boolean>;
  readonly registry: Registry;
  /** What others in this process tell in the same format. Empty where they don't. */
  readonly furtherMetrics?: () => Promise<string>;
  /** True from the signal to stop: load balancers look elsewhere while the last requests end. */
  readonly isClosing?: () => boolean;
}

const probeMsMax = 1_000;

/** Health, readiness and metrics, on a port of their own that is not public. */
export function createOpsApp(deps: OpsDeps): Express {
  const handler = express();
  handler.disable('x-powered-by');
  handler.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
  handler.get('/readyz', async (_request, response) => {
    const readiness = await readinessOf(deps);
    response.status(readiness.status === 'ready' ? 200 : 503).json(readiness);
  });
  handler.get('/metrics', async (_request, response) => {
    const [ours, theirs = ''] = await Promise.all([deps.registry.metrics(), deps.furtherMetrics?.()]);
    response.type(deps.registry.contentType).send(`${ours}${theirs}`);
  });
  return handler;
}

/** Temporal is told and not required: jobs are accepted without it, and wait. */
async function readinessOf(deps: OpsDeps) {
  const [database, temporal] = await Promise.all([
    succeeds(ping(deps.pool).then(() => true)),
    succeeds(deps.temporalReady()),
  ]);
  const closing = deps.isClosing?.() ?? false;
  return { status: closing ? 'closing' : database ? 'ready' : 'unready', database, temporal };
}

async function succeeds(probe: Promise<boolean>): Promise<boolean> {
  try {
    return await within(probe, probeMsMax);
  } catch {
    return false;
  }
}
