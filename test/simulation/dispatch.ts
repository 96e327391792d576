import type { GenerateVideoInput } from '../../src/contracts/generate-video.ts';
import { type Failure, failureOf } from '../../src/domain/failure.ts';
import { isFinal } from '../../src/domain/job.ts';
import type { Fact } from '../../src/domain/story.ts';
import type { Clockwork } from './clockwork.ts';
import type { LeasedMail, Records } from './records.ts';
import type { Pace } from './scenario.ts';
import type { Temporal } from './temporal.ts';
import type { Vendor } from './vendor.ts';

export interface DispatchParts {
  readonly clockwork: Clockwork;
  readonly records: Records;
  readonly temporal: Temporal;
  readonly vendor: Vendor;
  readonly pace: Pace;
  readonly lostAnswerShare: number;
  /** Repairs of what can't happen unless something of ours is at fault. */
  readonly onLeak: (count: number) => void;
}

export interface Dispatch {
  /** Something has changed: look soon. */
  wake(): void;
  start(): void;
}

const bounds = { submittingMax: 50, startSlots: 50 };
const postponeMs = 2_000;

/** The loops of dispatch: grants, the relay, the sweeper, the reconciler. */
export function createDispatch(parts: DispatchParts): Dispatch {
  const { clockwork, records, pace } = parts;
  const { after, random, enterWorker, whenUp } = clockwork;
  let isWoken = false;

  const grant = async (): Promise<void> => {
    isWoken = false;
    const granted = await records.grant(bounds);
    await relay();
    if (granted > 0) wake();
  };
  const wake = (): void => {
    if (isWoken) return;
    isWoken = true;
    after(random.between(pace.wakeMs), grant);
  };
  const relay = async (): Promise<void> => {
    const worker = enterWorker();
    for (const mail of await records.leaseMail(bounds.startSlots)) {
      after(mail.waitMs + random.between([2, 40]), async () => {
        if (!worker.isAlive()) return;
        const arrived = await tryToDeliver(parts, mail);
        if (!worker.passes('after a delivery')) return;
        if (arrived) await records.deleteMail([mail.id]);
        else await records.postponeMail([mail.id], postponeMs);
      });
    }
  };
  const every = (everyMs: number, round: () => Promise<void>): void =>
    after(everyMs * random.between([0.9, 1.1]), async () => {
      await round();
      every(everyMs, round);
    });
  return {
    wake,
    start() {
      every(pace.grantEveryMs, grant);
      every(pace.sweepEveryMs, () => sweep(records, wake));
      every(pace.reconcileEveryMs, async () => {
        parts.onLeak(await records.releaseLeakedPermits());
        await endZombies(parts);
        whenUp(() => restartLost(parts));
        wake();
      });
    },
  };
}

async function sweep(records: Records, wake: () => void): Promise<void> {
  const ended = (await records.endOverdueJobs()) + (await records.endOverrunJobs(60_000));
  const shown = await records.showStuckJobs(300_000);
  if (ended + shown > 0) wake();
}

async function restartLost({ clockwork, records, temporal, pace }: DispatchParts): Promise<void> {
  for (const job of await records.leaseSilentJobs(2 * pace.reconcileEveryMs)) {
    const state = clockwork.isUp() ? temporal.describe(job) : 'running';
    if (state === 'closed') await records.settleJob(job, { phase: 'failed', failure: failureOf('terminated') });
    if (state === undefined) await records.restartWorkflow(job);
  }
}

async function endZombies({ records, vendor, pace }: DispatchParts): Promise<void> {
  for (const { job: jobId, attempt, operation, isExpired } of await records.leaseZombies(pace.reconcileEveryMs)) {
    const seen = operation === null ? undefined : vendor.check(operation);
    if (seen?.state === 'finished')
      await records.endAttempt({ jobId, attempt, evidence: 'check', outcome: 'finished', operation: seen.id });
    if (seen?.state === 'failed') {
      const failure = seen.failure ?? failureOf('provider_failed');
      await records.endAttempt({ jobId, attempt, evidence: 'check', outcome: 'failed', operation: seen.id, failure });
    }
    if (seen === undefined && isExpired) {
      const failure = failureOf('timed_out');
      await records.endAttempt({ jobId, attempt, evidence: 'longest_duration', outcome: 'lost', failure });
    }
  }
}

/** Whether the message has arrived as far as the relay hears, or is of no use any more. */
async function tryToDeliver(parts: DispatchParts, mail: LeasedMail): Promise<boolean> {
  const { clockwork, lostAnswerShare } = parts;
  if (!clockwork.isUp()) return false;
  const arrived = await deliver(parts, mail);
  return arrived && !clockwork.random.chance(lostAnswerShare);
}

async function deliver({ records, temporal }: DispatchParts, mail: LeasedMail): Promise<boolean> {
  const { job: jobId, kind, phase, route } = mail;
  if (kind !== 'start') return temporal.signal(jobId, factOf(mail)) || isFinal(phase);
  if (isFinal(phase)) return true;
  const permit = permitOf(mail);
  const run = phase === 'queued' ? undefined : await records.findKnownRun(jobId);
  const input: GenerateVideoInput = { jobId, route, ...(permit === undefined ? {} : { permit }), ...run };
  if (temporal.start(input) || permit === undefined) return true;
  return temporal.signal(jobId, { kind: 'permit', ...permit }) || isFinal(phase);
}

function factOf(mail: LeasedMail): Fact {
  const { kind, attempt } = mail;
  if (kind === 'cancel') return { kind };
  if (kind === 'repair') return { kind: 'hint', attempt };
  if (kind === 'callback') return { kind: 'reported', attempt, report: reportOf(mail) };
  const permit = permitOf(mail);
  if (permit === undefined) throw new Error(`mail ${mail.id} carries no permit`);
  return { kind: 'permit', ...permit };
}

function reportOf({ payload }: LeasedMail): Extract<Fact, { kind: 'reported' }>['report'] {
  if (payload['outcome'] === 'finished') return { outcome: 'finished' };
  return { outcome: 'failed', failure: failureIn(payload['failure']) ?? failureOf('provider_failed') };
}

function failureIn(json: unknown): Failure | undefined {
  const isFailure = (value: unknown): value is Failure =>
    typeof value === 'object' && value !== null && 'code' in value;
  return isFailure(json) ? json : undefined;
}

function permitOf({ payload }: LeasedMail): GenerateVideoInput['permit'] {
  const { attempt, target, grant } = payload;
  const isPermit = typeof attempt === 'number' && typeof target === 'number' && typeof grant === 'string';
  return isPermit ? { attempt, target, grant } : undefined;
}
