import { createHash } from 'node:crypto';
import express, { type Request, type RequestHandler } from 'express';
import {
  type CallbackAddress,
  type CallbackReport,
  isKnownAttempt,
  receiveCallback,
  requestCheck,
} from '../../db/mailbox/callbacks.ts';
import { noteReading, type ReadingKind } from '../../db/mailbox/callback-readings.ts';
import { noteOrphan } from '../../db/retention/orphans.ts';
import { isJobId } from '../../domain/job.ts';
import { limits } from '../../domain/limits/limits.ts';
import { type CallbackReading, endOf } from '../../providers/provider.ts';
import { createLimiter, type Limiter } from '../check-limiter.ts';
import { beginDatabaseWait } from '../database-wait.ts';
import type { AppDeps } from '../deps.ts';
import type { ApiMetrics } from '../metrics.ts';
import { Problem } from '../problems/problem.ts';

type CallbackParams = { provider: string; attempt: string; token: string };

/** Raw bytes, before any parser: signatures are over bytes, and a body is hostile until one fits. */
export function readCallbackBytes(): RequestHandler<CallbackParams> {
  return express.raw({ type: () => true, limit: limits.callbackBodyBytesMax, inflate: false });
}

/**
 * `POST /v1/callbacks/{provider}/{job}.{attempt}/{token}`: 2xx only after what was said is committed. The ledger row
 * precedes the provider's job, so an attempt that is unknown is none of ours and is not kept for later.
 */
export function providerCallback(deps: AppDeps, metrics: ApiMetrics): RequestHandler<CallbackParams> {
  const mayCheck = createLimiter(limits.callbackChecksPerAttemptEveryMs, deps.clock);
  const note = createNotes(deps);
  return async (request, response) => {
    const address = addressOf(request.params);
    const reading = await read(deps, request);
    const count = (kind: string) =>
      metrics.callbacks.inc({ provider: reading ? request.params.provider : 'unknown', kind });
    if (address === undefined || reading === undefined) {
      count('unknown_attempt');
      throw new Problem('unknown_attempt');
    }
    const verdict =
      reading.kind === 'report'
        ? await record(deps, address, { request, reading })
        : await hint(deps, address, mayCheck);
    count(verdict === 'unknown_attempt' ? verdict : kindOf(reading));
    if (verdict === 'unknown_attempt') throw new Problem('unknown_attempt');
    note(request.params.provider, reading.kind);
    if (reading.kind === 'forged') throw new Problem('callback_rejected');
    response.status(204).end();
  };
}

/** For `npm run doctor`. Nobody waits for it, and it may get lost: the next callback tells the same. */
function createNotes({ pool, clock }: AppDeps): (provider: string, reading: ReadingKind) => void {
  const mayNote = createLimiter(limits.callbackNotesEveryMs, clock);
  return (provider, reading) => {
    if (mayNote(`${provider} ${reading}`)) noteReading(pool, { provider, reading }).catch(() => undefined);
  };
}

function addressOf({ attempt: text, token }: CallbackParams): CallbackAddress | undefined {
  const [jobId = '', attempt = '', ...more] = text.split('.');
  if (more.length > 0 || !isJobId(jobId) || !/^[1-9]\d{0,8}$/.test(attempt) || !/^[\w-]{1,256}$/.test(token))
    return undefined;
  return { jobId, attempt: Number(attempt), token };
}

/** Undefined: there is no such provider, or it calls nobody back. */
async function read(deps: AppDeps, request: Request<CallbackParams>): Promise<CallbackReading | undefined> {
  const provider = deps.providers.get(request.params.provider);
  return await provider?.readCallback?.({ headers: headersOf(request), rawBody: bytesOf(request), now: deps.clock() });
}

function headersOf(request: Request<CallbackParams>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

function bytesOf(request: Request<CallbackParams>): Buffer {
  const body: unknown = request.body;
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

type Report = Extract<CallbackReading, { kind: 'report' }>;
type Delivery = { readonly request: Request<CallbackParams>; readonly reading: Report };

async function record(deps: AppDeps, address: CallbackAddress, { request, reading }: Delivery): Promise<string> {
  const report = reportOf(reading, bytesOf(request));
  const verdict = await beginDatabaseWait().answered(receiveCallback(deps.pool, address, report));
  if (verdict === 'recorded') deps.notifyMail();
  if (verdict === 'unknown_attempt') await noteUnknown(deps, address, { request, reading });
  return verdict;
}

/** The vendor proves that it has something under a name of ours, and the ledger has not: as after a restore. */
async function noteUnknown(
  deps: AppDeps,
  { jobId, attempt, token }: CallbackAddress,
  delivery: Delivery,
): Promise<void> {
  const { provider } = delivery.request.params;
  const { operation, progress } = delivery.reading;
  const orphan = {
    job: jobId,
    attempt,
    token,
    provider,
    targetName: null,
    operation,
    foundBy: 'callback',
    said: progress.kind,
  } as const;
  await noteOrphan(deps.pool, orphan).catch((error: unknown) =>
    deps.logger.warn({ err: error, job: jobId, attempt }, 'a callback for an unknown attempt could not be noted'),
  );
}

function reportOf({ operation, progress }: Report, body: Buffer): CallbackReport {
  const said = { bodySha256: createHash('sha256').update(body).digest(), kind: progress.kind, operation };
  return progress.kind === 'finished' || progress.kind === 'failed' ? { ...said, ...endOf(progress) } : said;
}

/** Somebody knows the URL and proves nothing: the provider is asked, once in a while. */
async function hint(deps: AppDeps, address: CallbackAddress, mayCheck: Limiter): Promise<string> {
  const wait = beginDatabaseWait();
  if (!(await wait.answered(isKnownAttempt(deps.pool, address)))) return 'unknown_attempt';
  if (mayCheck(`${address.jobId}.${address.attempt}`)) {
    await wait.answered(requestCheck(deps.pool, address));
    deps.notifyMail();
  }
  return 'hint';
}

function kindOf(reading: CallbackReading): string {
  return reading.kind === 'report' ? reading.progress.kind : reading.kind;
}
