import { failureOf } from '../../src/domain/failure.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import type { KnownAttempt } from '../../src/domain/story.ts';
import { attemptKey, type AttemptRow, type MailRow, type Part, type Tables } from './model-tables.ts';
import type { LeasedMail } from './records.ts';

interface NewMail extends Pick<MailRow, 'job' | 'kind'>, Partial<Pick<MailRow, 'attempt' | 'payload' | 'notBefore'>> {}

/** A message of a kind is written once: who has one waiting needs no second. */
export function putMail(tables: Tables, { job, kind, attempt = 0, payload = {}, notBefore = 0 }: NewMail): void {
  const key = `${job} ${kind} ${attempt}`;
  if (tables.mailbox.has(key)) return;
  tables.counters.mail += 1;
  const id = String(tables.counters.mail);
  tables.mailbox.set(key, { id, job, kind, attempt, payload, notBefore, leasedUntil: Number.NEGATIVE_INFINITY });
}

/** db/mailbox/mailbox.ts and db/ledger/known-attempts.ts. */
export function mailFunctions(tables: Tables): Part<'leaseMail' | 'deleteMail' | 'postponeMail' | 'findKnownRun'> {
  const idOf = ([, { id }]: readonly [string, MailRow]): string => id;
  return {
    leaseMail(count) {
      const now = tables.now();
      const due = [...tables.mailbox.values()].filter(
        ({ leasedUntil, notBefore }) => leasedUntil <= now && notBefore <= now + limits.grantHorizonMs,
      );
      return due.slice(0, count).map((mail) => {
        mail.leasedUntil = now + limits.mailLeaseSeconds * 1_000;
        return leased(tables, mail);
      });
    },
    deleteMail(ids) {
      for (const entry of tables.mailbox) if (ids.includes(idOf(entry))) tables.mailbox.delete(entry[0]);
    },
    postponeMail(ids, delayMs) {
      for (const entry of tables.mailbox) if (ids.includes(idOf(entry))) entry[1].leasedUntil = tables.now() + delayMs;
    },
    findKnownRun(id) {
      const job = tables.jobs.get(id);
      const known = [...tables.attempts.values()].filter((row) => row.job === job);
      if (known.length === 0 || job?.runDeadline == null) return undefined;
      const inOrder = known.toSorted((one, other) => one.attempt - other.attempt);
      return { known: inOrder.map((row) => toKnown(tables, row)), runDeadlineAt: Math.floor(job.runDeadline) };
    },
  };
}

function leased(tables: Tables, { id, job, kind, attempt, payload, notBefore }: MailRow): LeasedMail {
  const row = tables.jobs.get(job);
  if (row === undefined) throw new Error(`mail for a job that is not there: ${job}`);
  const waitMs = tables.mutations.startsEarly === true ? 0 : Math.max(0, notBefore - tables.now());
  return { id, job, kind, attempt, payload, phase: row.phase, route: row.route, waitMs };
}

function toKnown({ permits, assets }: Tables, row: AttemptRow): KnownAttempt {
  const key = attemptKey(row.job.id, row.attempt);
  const asset = assets.get(key);
  const known = { attempt: row.attempt, target: row.index, grant: permits.get(key)?.grant ?? '' };
  if (asset?.isStored === true) return { ...known, phase: 'stored' };
  if (asset?.isFailed === true) return { ...known, phase: 'failed', failure: failureOf('output_expired') };
  if (row.outcome === 'finished') return { ...known, phase: 'finished' };
  if (row.outcome !== null) return { ...known, phase: 'failed', failure: row.failure ?? failureOf('ambiguous_submit') };
  return { ...known, phase: row.operation === null ? 'unknown' : 'live' };
}
