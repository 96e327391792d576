import express, { type ErrorRequestHandler, type Express } from 'express';
import type { Registry } from 'prom-client';
import { ping } from '../db/ping.ts';
import type { Database } from '../db/pool.ts';
import { within } from './database-wait.ts';
import { type CodecDeps, payloadCodec } from './routes/payload-codec.ts';

export interface OpsDeps {
  readonly pool: Database;
  readonly temporalReady: () => Promise<boolean>;
  readonly registry: Registry;
  /** What others in this process tell in the same format. Empty where they don't. */
  readonly furtherMetrics?: () => Promise<string>;
  /** True from the signal to stop: load balancers look elsewhere while the last requests end. */
  readonly isClosing?: () => boolean;
  /** Of what nobody expected. Absent: nobody is told. */
  readonly onError?: (error: unknown) => void;
  /** For Temporal UI, where payloads are encrypted. Absent: nothing is translated for anybody. */
  readonly codec?: CodecDeps;
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
  if (deps.codec !== undefined) handler.use(payloadCodec(deps.codec));
  handler.use(answerErrors(deps));
  return handler;
}

/** In words of our own: the parser's error quotes the body, which for the codec is what was worth encrypting. */
function answerErrors({ onError }: Pick<OpsDeps, 'onError'>): ErrorRequestHandler {
  // oxlint-disable-next-line max-params -- Express knows the handlers of errors by their four parameters.
  return (error: unknown, _request, response, next) => {
    const status = statusOf(error);
    if (status === 500) onError?.(error);
    if (response.headersSent) return next(error);
    response.status(status).json({ message: messages[status] });
  };
}

function statusOf(error: unknown): keyof typeof messages {
  const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  if (status === 413 || status === 415) return status;
  return typeof status === 'number' && status >= 400 && status < 500 ? 400 : 500;
}

const messages = {
  400: 'The request could not be read. Check its path and that its body is JSON.',
  413: 'The body is too large. Send fewer payloads at once.',
  415: 'The body has an encoding that is not read here. Send JSON in UTF-8, as it is.',
  500: 'Something went wrong here. Try again; if it stays so, restart this process and report it.',
} as const;

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
